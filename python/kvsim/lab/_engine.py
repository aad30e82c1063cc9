"""The engine's WebAssembly module: found, or built once for each state of its sources."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from kvsim import __version__
from kvsim.lab._assets import LabError

_ROOT = Path(__file__).parents[3]
_BUILDER = _ROOT / "tools" / "build_standalone.py"
# Beside this Python, and the package that brings each.
_PROGRAMS = {"cmake": "cmake", "ninja": "ninja"}


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
    program, stamp = folder / "kvsim.wasm", folder / "kvsim.wasm.sources"
    key = f"{__version__} {_sources()}\n"
    if not (program.is_file() and stamp.is_file() and stamp.read_text() == key):
        _build(folder)
        stamp.write_text(key)
    return program


def _checked(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise LabError(f"wasm: got {str(path)!r} ({error.strerror})") from None
    if magic != b"\0asm":
        raise LabError(f"wasm: got {str(path)!r}, which is no WebAssembly module")
    return path


def _sources() -> str:
    """Return a hash of everything that the module is made of."""
    digest = hashlib.sha256()
    files = [_ROOT / "CMakeLists.txt", _ROOT / "cmake" / "zig.cmake", _BUILDER]
    for folder in ("kvsim", "wasm"):
        files += sorted((_ROOT / "cpp" / folder).rglob("*.[ch]pp"))
    for file in files:
        digest.update(file.relative_to(_ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _build(folder: Path) -> None:
    beside = Path(sys.executable).parent
    missing = [package for name, package in _PROGRAMS.items() if not (beside / name).exists()]
    if find_spec("ziglang") is None:
        missing.append("ziglang")
    if missing:
        raise LabError(
            f"kvsim.wasm has to be built once, and what builds it is missing: pip install "
            f"{' '.join(missing)}"
        )
    print(f"building {folder / 'kvsim.wasm'} (minutes, once)", file=sys.stderr)
    command = [sys.executable, str(_BUILDER), "wasm32-wasi", str(folder), "--verbose"]
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode != 0:
        raise LabError("kvsim.wasm could not be built; the compiler's messages are above")
