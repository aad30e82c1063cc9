"""Build the engine without Python, for this platform or with the clang of the `ziglang` wheel.

    python tools/build_standalone.py native build/native-standalone   # .../kvsim-standalone
    python tools/build_standalone.py wasm32-wasi build/wasm           # .../kvsim.wasm
    python tools/build_standalone.py aarch64-linux-musl build/aarch64 # .../kvsim-standalone

With --werror=ON warnings are errors; with --verbose each file is named as it is compiled; with
--if-changed nothing is done if the program was built from these very sources. The first build for
another platform also compiles its C++ library, which takes about a minute.
"""

import hashlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAMS = {
    "native": "kvsim-standalone",
    "wasm32-wasi": "kvsim.wasm",
    "aarch64-linux-musl": "kvsim-standalone",
}


def toolchain(target: str) -> list[str]:
    """Return the CMake options that choose the zig program in the `ziglang` wheel."""
    spec = find_spec("ziglang")
    if spec is None or spec.origin is None:
        sys.exit("the cross compiler is missing: pip install ziglang")
    return [
        f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'cmake' / 'zig.cmake'}",
        f"-DKVSIM_ZIG={Path(spec.origin).parent / 'zig'}",
        f"-DKVSIM_TARGET={target}",
    ]


def sources_key() -> str:
    """Return a hash of everything that a program is made of."""
    digest = hashlib.sha256()
    files = [ROOT / "CMakeLists.txt", ROOT / "pyproject.toml", ROOT / "cmake" / "zig.cmake"]
    for folder in ("kvsim", "wasm"):
        files += sorted((ROOT / "cpp" / folder).rglob("*.[ch]pp"))
    for file in (*files, Path(__file__)):
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def build(target: str, folder: Path, werror: str = "OFF", *, verbose: bool = False) -> Path:
    """Configure and build for `target` in `folder`; return the path of the program."""
    # CMake and Ninja beside this Python; CMake 3.31 is the first that knows WASI.
    programs = Path(sys.executable).parent
    if missing := [name for name in ("cmake", "ninja") if not (programs / name).exists()]:
        sys.exit(f"what builds it is missing: pip install {' '.join(missing)}")
    jobs = str(os.cpu_count() or 1)
    configure = [
        str(programs / "cmake"),
        "-S", str(ROOT), "-B", str(folder), "-G", "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={programs / 'ninja'}",
        *([] if target == "native" else toolchain(target)),
        "-DCMAKE_BUILD_TYPE=Release",
        "-DKVSIM_BUILD_STANDALONE=ON",
        f"-DKVSIM_WERROR={werror}",
        "--log-level=WARNING",
    ]  # fmt: skip
    compile_ = [
        str(programs / "cmake"),
        "--build",
        str(folder),
        "--parallel",
        jobs,
        *([] if verbose else ["--", "--quiet"]),
    ]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(compile_, check=True, stdout=sys.stderr)
    return folder / PROGRAMS[target]


def main(arguments: list[str]) -> int:
    """Build for the target named on the command line; return the exit code."""
    werror = "ON" if "--werror=ON" in arguments else "OFF"
    plain = [a for a in arguments if not a.startswith("--")]
    if len(plain) != 2 or plain[0] not in PROGRAMS:
        sys.exit(__doc__)
    program = Path(plain[1]) / PROGRAMS[plain[0]]
    stamp = program.with_name(f"{program.name}.sources")
    key = sources_key()
    if "--if-changed" in arguments and program.is_file() and stamp.is_file():
        if stamp.read_text() == key:
            return 0
        print(f"building {program} anew: its sources have changed", file=sys.stderr)
    try:
        build(plain[0], Path(plain[1]), werror, verbose="--verbose" in arguments)
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    stamp.write_text(key)
    print(f"{program}: {program.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
