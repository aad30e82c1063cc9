"""Measure the lab in a headless Chromium: first load, slider to redrawn instrument, engine's size.

    python tools/bench_lab.py [MOVES]

The instrument is a frontier of 20 points with 2,000 requests each, and the run under backlog that
its rates come from. Times depend on the machine; the median over all moves counts.
"""

import statistics
import sys
from pathlib import Path

from kvsim.lab import Server
from kvsim.lab._assets import compressed
from kvsim.lab._engine import engine

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

LOADS = 5


def main(arguments: list[str]) -> int:
    """Print each figure beside its goal; return the exit code."""
    from browser import browser, chromium

    if chromium() is None:
        print("no Chromium is found (Debian: apt-get install chromium)")
        return 3
    moves = int(arguments[0]) if arguments else 30
    page_file = HERE / "bench_lab.html"
    loads, longest = [], []
    with Server(0, more={"bench.html": page_file.read_bytes}) as server, browser() as chrome:
        for _ in range(LOADS):
            page = chrome.new_context().new_page()
            page.goto(server.url + "bench.html")
            page.wait_for_function("window.loaded")
            loads.append(page.evaluate("window.loaded"))
        page.evaluate("window.longest.ms = 0")
        timings = [
            page.evaluate("(value) => window.move(value)", 40 + 37 * i % 200) for i in range(moves)
        ]
        longest.append(page.evaluate("window.longest.ms"))
    total = statistics.median(t["total"] for t in timings)
    simulated = statistics.median(t["simulated"] for t in timings)
    wasm = engine()
    sent = len(compressed(wasm)) / 1000
    figures = [
        ("slider to redrawn instrument, median", f"{total:.0f} ms", "100 ms"),
        ("  of this, 21 simulations", f"{simulated:.0f} ms", ""),
        ("  longest task of the page meanwhile", f"{longest[0]:.0f} ms", ""),
        ("first load, to the first instrument", f"{_median(loads, 'drawn'):.0f} ms", "1500 ms"),
        ("  of this, until the engine is ready", f"{_median(loads, 'compiled'):.0f} ms", ""),
        ("engine as it is transferred, kvsim.wasm.gz", f"{sent:.0f} kB", "300 kB"),
        ("  the same in memory, kvsim.wasm", f"{wasm.stat().st_size / 1000:.0f} kB", ""),
    ]
    print(f"{moves} moves, {loads[0]['workers']} workers; Chromium without a GPU")
    for name, value, goal in figures:
        print(f"{name:<44}{value:>10}   {'goal ' + goal if goal else ''}".rstrip())
    return 0


def _median(loads: list[dict[str, float]], name: str) -> float:
    return statistics.median(load[name] for load in loads)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
