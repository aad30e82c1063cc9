"""Compare instruction counts of the C++ workloads with the committed baseline.

    python tools/bench_check.py --build build/bench            # exit 1 where one grew by over 3 %
    python tools/bench_check.py --build build/bench --update   # write the baseline anew
    python tools/bench_check.py --lines PATTERN --workload azure_preempt

The last form prints which share of a workload's instructions is in source lines that match: what an
option costs that is off, say.

Instruction counts don't depend on the machine's mood, but on the compiler: the baseline is kept for
each compiler's version, and another compiler is told so and checks nothing. A workload that shrank
by over 3 % asks for `--update` too, so that the gain can't be lost unnoticed.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BASELINE = ROOT / "bench" / "baselines" / "callgrind.json"
TOLERANCE = 0.03
MEASURED = "kvsim_measured"  # bench/cpp/workload.hpp


def compiler() -> str:
    """Return the compiler's name and version, the key of the baseline."""
    command = [*os.environ.get("CXX", "c++").split(), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]


def build(folder: Path) -> list[Path]:
    """Build the benchmarks; return the programs whose workloads are counted."""
    cmake = str(Path(sys.executable).parent / "cmake")
    ninja = Path(sys.executable).parent / "ninja"
    subprocess.run(
        [
            cmake, "-S", str(ROOT), "-B", str(folder), "-G", "Ninja",
            f"-DCMAKE_MAKE_PROGRAM={ninja}", "-DCMAKE_BUILD_TYPE=Release",
            "-DKVSIM_BUILD_BENCH=ON", "--log-level=WARNING",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    subprocess.run([cmake, "--build", str(folder), "--", "--quiet"], check=True, stdout=sys.stderr)
    return sorted(folder / source.stem for source in (ROOT / "bench" / "cpp").glob("work_*.cpp"))


def names(program: Path) -> list[str]:
    """Return the names of a program's workloads."""
    return subprocess.run(
        [str(program), "--list"], capture_output=True, text=True, check=True
    ).stdout.split()


def callgrind(program: Path, workload: str, out: Path) -> None:
    """Profile the measured part of a workload."""
    done = subprocess.run(
        [
            "valgrind", "--tool=callgrind", f"--toggle-collect={MEASURED}",
            f"--callgrind-out-file={out}", str(program), workload,
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"{program.name} {workload} failed under valgrind:\n{done.stderr}")


def count(program: Path, workload: str) -> int:
    """Return how many instructions the measured part of a workload executes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        callgrind(program, workload, out)
        total = re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE)
    if total is None or int(total[1]) == 0:
        sys.exit(f"callgrind counted nothing in {MEASURED} of {program.name} {workload}")
    return int(total[1])


def report_lines(program: Path, workload: str, pattern: str) -> None:
    """Print the instructions in source lines that match, and their share of the workload."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        callgrind(program, workload, out)
        text = subprocess.run(
            ["callgrind_annotate", "--auto=yes", "--threshold=100", f"--include={ROOT}", str(out)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    number = re.compile(r"^ *([\d,]+) \([ \d.]+%\) (.*)$", re.MULTILINE)
    total = next(int(n.replace(",", "")) for n, rest in number.findall(text) if "TOTALS" in rest)
    lines = [
        (int(n.replace(",", "")), line)
        for n, line in number.findall(text[text.index("-- Auto-annotated source") :])
        if re.search(pattern, line) and "=>" not in line
    ]
    for n, line in sorted(lines, reverse=True):
        print(f"{n / total:8.3%}  {line.strip()}")
    print(f"{sum(n for n, _ in lines) / total:8.3%}  of {total} instructions of {workload}")


def report(counts: dict[str, int], baseline: dict[str, int]) -> list[str]:
    """Print a line a workload; return those that differ from the baseline by too much."""
    wrong = []
    print(f"{'workload':32} {'baseline':>15} {'now':>15}  change")
    for name in sorted(counts.keys() | baseline.keys()):
        old, new = baseline.get(name), counts.get(name)
        change = f"{new / old - 1:+.2%}" if old and new else "new" if new else "gone"
        print(f"{name:32} {old or '-':>15} {new or '-':>15}  {change}")
        if not old or not new or abs(new / old - 1) > TOLERANCE:
            wrong.append(name)
    return wrong


def main() -> int:
    """Count, compare or update; return the exit code."""
    parser = argparse.ArgumentParser(description="Instruction counts against the baseline.")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--update", action="store_true", help="write the baseline anew")
    parser.add_argument("--lines", metavar="PATTERN", help="the share of lines that match")
    parser.add_argument("--workload", help="of which, with --lines")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is missing (Debian: apt-get install valgrind)")
    if arguments.lines is not None:
        programs = {n: p for p in build(arguments.build.resolve()) for n in names(p)}
        if arguments.workload not in programs:
            sys.exit(f"--workload: {arguments.workload}; there are: {', '.join(programs)}")
        report_lines(programs[arguments.workload], arguments.workload, arguments.lines)
        return 0
    baselines: dict[str, dict[str, int]] = (
        json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    )
    key = compiler()
    if key not in baselines and not arguments.update:
        print(f"no baseline for {key!r}, only for: {', '.join(baselines) or 'none'}.")
        print("Take one before a change and compare after it: --update.")
        return 0
    counts = {
        name: count(program, name)
        for program in build(arguments.build.resolve())
        for name in names(program)
    }
    wrong = report(counts, baselines.get(key, {}))
    if arguments.update:
        baselines[key] = counts
        BASELINE.parent.mkdir(parents=True, exist_ok=True)
        BASELINE.write_text(json.dumps(baselines, indent=2, sort_keys=True) + "\n")
        print(f"wrote {BASELINE.relative_to(ROOT)}")
    elif wrong:
        print(
            f"\nmore than {TOLERANCE:.0%} from the baseline: {', '.join(wrong)}.\n"
            "Wanted? `python tools/bench_check.py --update`, commit it and say why."
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
