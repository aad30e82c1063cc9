"""Replications of a sweep's points, and the intervals that they give."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kvsim import _native
from kvsim._batch_means import run_intervals
from kvsim._runs import FIGURE, Batch, Runs, Table
from kvsim.design import Codes, Design
from kvsim.errors import ConfigError
from kvsim.result import SUMMARY
from kvsim.statistics import by_point, check_confidence

SEED = "seed"
_FIRST = 5  # replications before precision is first looked at, if not told otherwise
_DEFAULT_MOST = 100
_OK, _UNSTABLE = 0, 2
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """How often each point is simulated, and what its intervals are.

    Attributes
    ----------
    replications, most : int
        Runs of each point, and up to how many if `precision` is not reached.
    common : bool
        Whether run i of every point has the same random numbers.
    confidence : float
        Of all intervals.
    precision : dict
        Figures and the relative half width that they must reach.
    batches : bool
        Intervals by batch means within the one run of each point.
    """

    replications: int
    most: int
    common: bool
    confidence: float
    precision: dict[str, float] = field(default_factory=dict)
    batches: bool = False

    @property
    def replicated(self) -> bool:
        """Whether points have several runs."""
        return self.most > 1


def plan(
    replications: int | None,
    max_replications: int | None,
    precision: Mapping[str, float] | None,
    *,
    common: bool,
    confidence: float,
    intervals: str | None,
) -> Plan:
    """Return a plan after checks.

    Raises
    ------
    ConfigError
        If a number is not allowed, a figure unknown, or two arguments exclude each other.
    """
    check_confidence(confidence)
    if intervals not in (None, "replications", "batch_means"):
        raise ConfigError(f"intervals: got {intervals!r}; allowed: 'replications', 'batch_means'")
    wanted = _precision(precision)
    first = _number("replications", replications, _FIRST if wanted else 1, 1)
    if intervals == "batch_means" and (first > 1 or wanted):
        raise ConfigError("intervals: got 'batch_means' with replications; allowed: without")
    if intervals == "replications" and first == 1:
        raise ConfigError("replications: got 1; allowed: 2 or more for intervals='replications'")
    if wanted and first < 2:
        raise ConfigError("replications: got 1; allowed: 2 or more with precision")
    if max_replications is not None and not wanted:
        raise ConfigError("max_replications: got a limit without precision; allowed: with it")
    most = _number("max_replications", max_replications, max(_DEFAULT_MOST, first), first)
    return Plan(
        first, most if wanted else first, bool(common), confidence, wanted,
        batches=intervals == "batch_means",
    )  # fmt: skip


def _number(name: str, value: int | None, default: int, least: int) -> int:
    if value is None:
        return default
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not least <= value <= 10**6:
        raise ConfigError(f"{name}: got {value!r}; allowed: {least} to 1,000,000")
    return value


def _precision(precision: Mapping[str, float] | None) -> dict[str, float]:
    if precision is None:
        return {}
    if not isinstance(precision, Mapping) or not precision:
        raise ConfigError(f"precision: got {precision!r}; allowed: figures and relative widths")
    for name, share in precision.items():
        if name not in SUMMARY:
            raise ConfigError(f"precision: got unknown figure {name!r}")
        number = isinstance(share, int | float) and not isinstance(share, bool)
        if not number or not 0 < share < 1:
            raise ConfigError(f"precision[{name!r}]: got {share!r}; allowed: between 0 and 1")
    return dict(precision)


@dataclass(frozen=True)
class Uncertainty:
    """What is known about how exact a sweep's figures are.

    Attributes
    ----------
    method : str
        `replications` or `batch means`.
    confidence : float
        Of every interval.
    half_width : array of float, shape (figures, points)
        Half widths, NaN where there is none.
    replications : array of int
        Finished runs of each point.
    common : bool
        Whether run i of every point has the same random numbers.
    shift : array of float, shape (figures, points), or None
        From figures to the middles of their intervals; None: they are the middles.
    too_short : dict
        By point, the figures that its run is too short for to have an interval.
    """

    method: str
    confidence: float
    half_width: Floats
    replications: npt.NDArray[np.int64]
    common: bool
    shift: Floats | None = None
    too_short: dict[int, list[str]] = field(default_factory=dict)


class Replications:
    """The runs of a sweep's points, gathered round by round.

    Run r of a point has the seed of the base plus r; without common random numbers each run has a
    seed of its own.
    """

    def __init__(self, design: Design, how: Plan, base_seed: int) -> None:
        if SEED in design.values:
            raise ConfigError("replications: got several with an axis 'seed'; allowed: one of both")
        self._points = design
        self._how = how
        self._seed = base_seed
        self.design = design.take(np.empty(0, np.intp)).with_column(SEED, [])
        self.point: Codes = np.empty(0, np.intp)
        self._batches: list[Batch] = []
        self._counts = np.zeros(len(design), dtype=np.int64)

    def next_round(self) -> tuple[Design, Codes] | None:
        """Return the runs to do next and the point of each; None if there are none left."""
        how = self._how
        if not len(self.point):
            more = np.full(len(self._points), how.replications)
        else:
            # Twice as many where the interval is too wide, up to the limit.
            wide = self._too_wide()
            more = np.where(wide, np.minimum(self._counts, how.most - self._counts), 0)
        if not how.replicated or not more.any():
            return None
        point = np.repeat(np.arange(len(self._points), dtype=np.intp), more)
        first = np.repeat(np.cumsum(more) - more, more)
        r = np.arange(len(point)) - first + self._counts[point]
        at = r if how.common else 1 + point * how.most + r
        seeds = [(self._seed + int(s)) % 2**64 for s in at.tolist()]
        return self._points.take(point).with_column(SEED, seeds), point

    def sink(self, point: Codes) -> Callable[[Batch], None]:
        """Return what takes the finished runs of a round."""
        shift = len(self.point)

        def add(batch: Batch) -> None:
            rows = np.arange(shift, shift + len(point), dtype=np.intp)
            self._batches.append(batch.renumbered(rows))

        return add

    def close_round(self, design: Design, point: Codes) -> None:
        """Count a round's runs."""
        self.design = self.design + design
        self.point = np.concatenate([self.point, point])
        self._counts += np.bincount(point, minlength=len(self._points))

    def table(self, scenario_json: str) -> Table:
        """Return the runs, finished or not."""
        table = Table(len(self.point), scenario_json)
        for batch in self._batches:
            table.add(batch)
        return table

    def averaged(self, scenario_json: str) -> tuple[Table, Uncertainty]:
        """Return a table of means over the runs of each point, and their uncertainty."""
        return _averaged(self.table(scenario_json), self.point, len(self._points), self._how)

    def _too_wide(self) -> npt.NDArray[np.bool_]:
        table, known = self.averaged("{}")
        wide = np.zeros(len(self._points), dtype=bool)
        for name, share in self._how.precision.items():
            mean = np.abs(table.figures[FIGURE[name]])
            # A figure that is undefined never gets an interval; more runs do not help.
            wide |= known.half_width[FIGURE[name]] > share * mean
        return np.asarray(wide & table.finished & (table.status == _OK))


def _averaged(runs: Table, point: Codes, num_points: int, how: Plan) -> tuple[Table, Uncertainty]:
    """Average the finished runs of each point; docs/sweeps.md says how statuses combine."""
    rows = np.flatnonzero(runs.finished)
    of = point[rows]
    counts = np.bincount(of, minlength=num_points)
    out = Table(num_points, runs.scenario_json)
    half = np.full((len(SUMMARY), num_points), np.nan)
    for f in range(len(SUMMARY)):
        out.figures[f], half[f] = by_point(runs.figures[f][rows], of, num_points, how.confidence)
    names = _native.status_names()
    status = runs.status[rows]
    statuses = np.stack(
        [np.bincount(of[status == code], minlength=num_points) for code in range(len(names))]
    )
    failed = statuses.copy()
    failed[[_OK, _UNSTABLE]] = 0
    out.finished = counts >= min(how.replications, how.most)
    out.status = np.where(
        failed.any(axis=0),
        failed.argmax(axis=0),
        np.where(2 * statuses[_UNSTABLE] >= np.maximum(counts, 1), _UNSTABLE, _OK),
    ).astype(np.uint8)
    # Of runs that rest on different things, what is known least well.
    np.maximum.at(out.calibration, of, runs.calibration[rows])
    # Never an average of what drifts or did not run.
    out.figures[:, (out.status != _OK) | ~out.finished] = np.nan
    half[:, (out.status != _OK) | ~out.finished] = np.nan
    _explain(out, runs, of, rows, statuses)
    known = Uncertainty("replications", how.confidence, half, counts.astype(np.int64), how.common)
    return out, known


def _explain(
    out: Table, runs: Table, of: Codes, rows: Codes, statuses: npt.NDArray[np.int64]
) -> None:
    """Give points the reason of their first run that is not ok, and runs' warnings."""
    reasons: dict[int, str] = {}
    point_of = dict(zip(rows.tolist(), of.tolist(), strict=True))
    for i, text in sorted(runs.reasons().items()):
        p = point_of.get(i)
        if p is not None and runs.status[i] == out.status[p]:
            reasons.setdefault(p, text)
    warnings: dict[int, list[str]] = {}
    for text, numbers in runs.warnings().items():
        for p in dict.fromkeys(point_of[i] for i in numbers if i in point_of):
            warnings.setdefault(p, []).append(text)
    total = statuses.sum(axis=0)
    for p in np.flatnonzero(statuses[_UNSTABLE]).tolist():
        share = f"{statuses[_UNSTABLE][p]} of {total[p]} replications drift"
        if out.status[p] == _UNSTABLE:
            reasons[p] = f"{share}; the first: {reasons[p]}" if p in reasons else share
        elif out.status[p] == _OK:
            warnings.setdefault(p, []).append("some replications drift, fewer than half")
    out.note(reasons, warnings)


# ---- batch means


class BatchMeans:
    """Intervals by batch means, taken from each run as it finishes."""

    def __init__(self, num_points: int, confidence: float) -> None:
        self._confidence = confidence
        self._half_width = np.full((len(SUMMARY), num_points), np.nan)
        self._shift = np.zeros((len(SUMMARY), num_points))
        self._too_short: dict[int, list[str]] = {}

    def inspect(self, native: _native.Sweep, i: int) -> None:
        """Take the intervals of a run and free its requests."""
        from kvsim.result import Result

        found = native.result(i)
        if found is None:
            return
        result = Result(found)
        if result.status == "ok":
            for name, interval in run_intervals(result, self._confidence).items():
                middle = (interval.low + interval.high) / 2
                self._half_width[FIGURE[name], i] = interval.half_width
                self._shift[FIGURE[name], i] = middle - interval.estimate
                if not interval.samples:
                    self._too_short.setdefault(i, []).append(name)
        native.drop_result(i)

    def uncertainty(self, finished: npt.NDArray[np.bool_]) -> Uncertainty:
        """Return what is known."""
        runs = finished.astype(np.int64)
        return Uncertainty(
            "batch means", self._confidence, self._half_width, runs, common=True,
            shift=self._shift, too_short=self._too_short,
        )  # fmt: skip


def base_seed(runs: Runs) -> int:
    """Return the seed of a sweep's base."""
    return int(json.loads(runs.scenario_json)[SEED])
