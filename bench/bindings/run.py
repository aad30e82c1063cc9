"""Time the same two calls through pybind11 and nanobind, in one run.

    python bench/bindings/run.py [BUILD_FOLDER]

Prints a table: the time of a call that simulates one request and of one that simulates ten (their
difference is the engine's), of taking a column of a million rows as a numpy array, the import time
and the module's size. docs/dependencies.md keeps the figures of the decision.
"""

import subprocess
import sys
import timeit
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median
from types import ModuleType

HERE = Path(__file__).parent
MODULES = ("with_pybind11", "with_nanobind")
IMPORT = """
import sys, time
sys.path.insert(0, {folder!r})
import numpy
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


def build(folder: Path) -> None:
    """Build both modules in `folder`."""
    programs = Path(sys.executable).parent
    configure = [
        str(programs / "cmake"), "-S", str(HERE), "-B", str(folder), "-G", "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={programs / 'ninja'}", "-DCMAKE_BUILD_TYPE=Release",
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={import_module('pybind11').get_cmake_dir()}",
        f"-Dnanobind_DIR={import_module('nanobind').cmake_dir()}",
        "--log-level=WARNING",
    ]  # fmt: skip
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    compile_ = [str(programs / "cmake"), "--build", str(folder), "--", "--quiet"]
    subprocess.run(compile_, check=True, stdout=sys.stderr)


def seconds(call: Callable[[], object]) -> float:
    """Return the median time of a call over 15 rounds of about 50 ms."""
    timer = timeit.Timer(call)
    number = max(1, round(0.05 / max(timer.timeit(3) / 3, 1e-9)))
    return median(timer.repeat(15, number)) / number


def import_seconds(folder: Path, module: str) -> float:
    """Return the median time of a first import over 15 processes, numpy being loaded."""
    code = IMPORT.format(folder=str(folder), module=module)
    command = [sys.executable, "-c", code]
    return median(float(subprocess.check_output(command)) for _ in range(15))


def measure(folder: Path, name: str) -> dict[str, str]:
    """Return a module's figures by their titles."""
    module: ModuleType = import_module(name)
    rows = module.with_rows(1_000_000)
    assert int(rows.finish_ns.sum()) == 499_999_500_000
    assert not rows.finish_ns.flags.writeable
    assert module.simulate_tiny(num_requests=10).completed == 10
    (file,) = folder.glob(f"{name}*.so")
    return {
        "attribute of a result": f"{seconds(lambda: rows.completed) * 1e9:.0f} ns",
        "column of 1,000,000 rows": f"{seconds(lambda: rows.finish_ns) * 1e9:.0f} ns",
        "simulate 1 request": f"{seconds(lambda: module.simulate_tiny(1)) * 1e6:.2f} us",
        "simulate 10 requests": f"{seconds(lambda: module.simulate_tiny(10)) * 1e6:.2f} us",
        "import (after numpy)": f"{import_seconds(folder, name) * 1e3:.2f} ms",
        "size of the module": f"{file.stat().st_size / 1024:.0f} KiB",
    }


def main(arguments: list[str]) -> int:
    """Build, measure and print; return the exit code."""
    folder = Path(arguments[0] if arguments else "build/bindings").resolve()
    build(folder)
    sys.path.insert(0, str(folder))
    figures = {name: measure(folder, name) for name in MODULES}
    print(f"{'':26}" + "".join(f"{name.removeprefix('with_'):>14}" for name in MODULES))
    for title in figures[MODULES[0]]:
        print(f"{title:26}" + "".join(f"{figures[name][title]:>14}" for name in MODULES))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
