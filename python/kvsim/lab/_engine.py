"""The engine's WebAssembly module: found, or built once for each state of its sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from kvsim.lab._assets import LabError

_ROOT = Path(__file__).parents[3]
_BUILDER = _ROOT / "tools" / "build_standalone.py"


def engine(wasm: str | os.PathLike[str] | None = None) -> Path:
    """Return the path of kvsim.wasm; in a source tree it is built where it is not of these sources.

    Parameters
    ----------
    wasm : path, optional
        A file to take instead; so does the environment's KVSIM_WASM.

    Raises
    ------
    LabError
        If there is none and it cannot be built; says what is missing.
    """
    chosen = wasm or os.environ.get("KVSIM_WASM")
    if chosen:
        return _checked(Path(chosen))
    if not _BUILDER.is_file():
        raise LabError(
            "kvsim.wasm is missing: it is built from kvsim's sources. In a clone of them run "
            "`make wasm`, then `kvsim lab --wasm build/wasm/kvsim.wasm`"
        )
    folder = _ROOT / os.environ.get("KVSIM_BUILD", "build") / "wasm"
    if not (folder / "kvsim.wasm").is_file():
        print(f"building {folder / 'kvsim.wasm'} (minutes, once)", file=sys.stderr)
    command = [
        sys.executable, str(_BUILDER), "wasm32-wasi", str(folder), "--if-changed", "--verbose",
    ]  # fmt: skip
    # Its messages go to the terminal as they come; what is missing is its last word.
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode != 0:
        raise LabError("kvsim.wasm is missing and could not be built; the reason stands above")
    return folder / "kvsim.wasm"


def _checked(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise LabError(f"wasm: got {str(path)!r} ({error.strerror})") from None
    if magic != b"\0asm":
        raise LabError(f"wasm: got {str(path)!r}, which is no WebAssembly module")
    return path
