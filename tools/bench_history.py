"""The history of the benchmarks: bench/history.csv, a row for each version and machine."""

import csv
import platform
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
HISTORY = ROOT / "bench" / "history.csv"
KEYS = ("version", "machine")


@dataclass(frozen=True)
class Figure:
    """A measured value, its unit and its goal, which is a lower or an upper limit or none."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def column(self) -> str:
        """The figure's column in the history."""
        return f"{self.name} [{self.unit}]"

    @property
    def score(self) -> float | None:
        """How many times better than the goal the value is; 1 is just met."""
        if self.at_least is not None:
            return self.value / self.at_least
        if self.at_most is not None:
            return self.at_most / self.value
        return None

    @staticmethod
    def table(figures: "list[Figure]") -> list[str]:
        """Return the lines of a table of figures beside their goals."""
        width = max(len(figure.name) for figure in figures)
        lines = [f"{'':{width}}  {'measured':>10}  {'goal':>12}  {'margin':>7}"]
        for figure in figures:
            sign, limit = (
                (">=", figure.at_least) if figure.at_least is not None else ("<=", figure.at_most)
            )
            goal = "" if limit is None else f"{sign} {limit:.4g}"
            score = "" if figure.score is None else f"{figure.score:.2f} x"
            missed = "  goal missed" if figure.score is not None and figure.score < 1 else ""
            lines.append(
                f"{figure.name:{width}}  {figure.value:10.4g}  {goal:>12}  {score:>7}  "
                f"{figure.unit}{missed}"
            )
        return lines


def machine() -> str:
    """Return the processor's name."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return name[1].strip() if name else platform.machine()


def version() -> str:
    """Return the version in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def read() -> list[dict[str, str]]:
    """Return the history's rows, oldest first."""
    if not HISTORY.exists():
        return []
    with HISTORY.open(newline="") as file:
        return list(csv.DictReader(file))


def record(figures: list[Figure]) -> Path:
    """Put the figures into the row of this version and machine; return the file's path.

    Figures that were not measured this time keep their values.
    """
    rows = read()
    key = {"version": version(), "machine": machine()}
    row = next((row for row in rows if all(row[k] == key[k] for k in KEYS)), None)
    if row is None:
        row = dict(key)
        rows.append(row)
    row.update({figure.column: f"{figure.value:.4g}" for figure in figures})
    columns = dict.fromkeys([*KEYS, *(column for row in rows for column in row)])
    with HISTORY.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return HISTORY
