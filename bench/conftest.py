"""`make bench`: what a benchmark measures is a figure, shown beside its goal and kept in history.

A benchmark is a pytest function that times with pytest-benchmark and then says what came out:

    def test_decode_heavy(benchmark, figure):
        benchmark.pedantic(run, rounds=5)
        figure("decode-heavy, leap", tokens / benchmark.stats["median"], "tokens/s", at_least=2.5e9)
"""

from typing import Protocol

import pytest

from bench_history import HISTORY, Figure, machine, record

FIGURES: list[Figure] = []


class Report(Protocol):
    """The signature of the `figure` fixture."""

    def __call__(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None: ...


@pytest.fixture
def figure() -> Report:
    """Take a measured figure: its name (a column of the history), value, unit and goal."""

    def report(
        name: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        FIGURES.append(Figure(name, float(value), unit, at_least, at_most))

    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures; append or replace this version's row of the history."""
    if not FIGURES:
        return
    terminalreporter.section(f"figures on {machine()}")
    for line in Figure.table(FIGURES):
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"recorded in {record(FIGURES).relative_to(HISTORY.parents[1])}")
