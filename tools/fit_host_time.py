"""Fit the host time of a step to the 45 open runs, and see how it carries over to runs left out.

    python tools/fit_host_time.py [--seeds N]

Prints what the engine's `kernels` step time has (cpp/kvsim/step_time/kernels.cpp): the time of a
step c0 and of a request c1 that give the least MAPE(TPOT) + MAPE(TTFT) / 2, on a grid of .1 ms and
5 us. Then the runs of one number of GPUs, of one pair of lengths, of one concurrency are left out
of the fit in turn, and their errors are those of a model that never saw them.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kvsim import sweep
from kvsim.validate.conditions import Conditions, Run, read_runs
from kvsim.validate.rows import OPEN_ROWS, scenario_of

Array = npt.NDArray[np.float64]
GRID_US = [(c0, c1) for c0 in range(800, 1601, 100) for c1 in range(10, 51, 5)]
GROUPS: tuple[Callable[[Run], str], ...] = (
    lambda run: f"{run.tensor_parallel_size} GPUs",
    lambda run: f"{run.prompt_tokens} x {run.output_tokens} tokens",
    lambda run: f"{run.concurrency} clients",
)


@dataclass(frozen=True)
class Case:
    """A fit and the runs that its errors (MAPE, percent) are of."""

    name: str
    number: int
    host_us: tuple[int, int]
    ttft: float
    tpot: float

    def __str__(self) -> str:
        """In a line."""
        c0, c1 = self.host_us
        return (
            f"{self.name}: c0 {c0} us, c1 {c1} us; MAPE of {self.number} runs: TTFT "
            f"{self.ttft:.1f} %, TPOT {self.tpot:.1f} %"
        )


def errors(runs: Sequence[Run], tables: str, seeds: int) -> Array:
    """Return simulated / measured - 1 [grid, run, (TTFT, TPOT)] of means over the seeds."""
    out = np.empty((len(GRID_US), len(runs), 2))
    for number, run in enumerate(runs):
        base = scenario_of(run, Conditions())
        base["step_time"] = {"kind": "kernels", "tables": tables}
        points = [
            {"step_time.host_us": c0, "step_time.host_us_per_seq": c1, "seed": seed}
            for c0, c1 in GRID_US
            for seed in range(seeds)
        ]
        found = sweep(base, points, record="summary")
        for i, (key, measured) in enumerate((("ttft", run.ttft_ms), ("tpot", run.tpot_ms))):
            means = np.array(found[f"mean_{key}_ms"]).reshape(len(GRID_US), seeds).mean(1)
            out[:, number, i] = means / measured - 1
    return out


def case(name: str, found: Array, scored: npt.NDArray[np.bool_], *, fit_all: bool = False) -> Case:
    """Fit to the runs that are not scored, or to all."""
    mape = np.abs(found if fit_all else found[:, ~scored]).mean(1)
    at = int(np.argmin(mape[:, 1] + 0.5 * mape[:, 0]))
    ttft, tpot = (100 * np.abs(found[at, scored]).mean(0)).tolist()
    return Case(name, int(scored.sum()), GRID_US[at], ttft, tpot)


def left_out(tables: str, seeds: int) -> Iterator[Case]:
    """Yield the fit to all runs, then those without one group of runs each."""
    runs = read_runs(OPEN_ROWS)
    found = errors(runs, tables, seeds)
    yield case("none", found, np.ones(len(runs), bool), fit_all=True)
    for group in GROUPS:
        groups = np.array([group(run) for run in runs])
        for name in dict.fromkeys(groups.tolist()):
            yield case(name, found, groups == name)


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="simulations of each run")
    seeds = parser.parse_args().seeds
    for tables in ("measured", "fitted"):
        print(f"{tables} operators, left out of the fit:")
        for found in left_out(tables, seeds):
            print(f"  {found}")


if __name__ == "__main__":
    main()
