"""Print the type stub of the native module, `python/kvsim/_native.pyi`."""

import subprocess
import sys
import tempfile
from pathlib import Path


def stub() -> str:
    """Return what pybind11-stubgen makes of the installed `kvsim._native`."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pybind11_stubgen",
                "kvsim._native",
                "--output-dir",
                folder,
                "--exit-code",
                "--numpy-array-use-type-var",
            ],
            check=True,
            stdout=sys.stderr,
        )
        (output,) = Path(folder).rglob("_native.pyi")
        return output.read_text()


if __name__ == "__main__":
    sys.stdout.write(stub())
