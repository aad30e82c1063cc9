"""How a search tries configurations: simulation, Optuna, order."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kvsim._analysis import nondominated
from kvsim._design_axes import Integers, LogUniform
from kvsim._encode import Encodable, encode
from kvsim._goals import Limit, figure
from kvsim._progress import Progress
from kvsim._simulate import canonical
from kvsim._space import Dimension, Space
from kvsim._sweep import sweep
from kvsim.errors import ConfigError, DeadlineExceeded

if TYPE_CHECKING:
    from kvsim.costs.serving import Prices
    from kvsim.datasets import Trace

_BATCH = 8  # asked at once; part of the result, so not the number of threads
# What Optuna is told of configurations that have no figures.
_WORST = 1e12
_BROKEN = 1e6


@dataclass(frozen=True)
class Configuration:
    """A configuration that was tried.

    Attributes
    ----------
    chosen : dict
        Value of each dimension of the space.
    point : dict
        What it sets, by dotted path.
    status, reason : str
        Of its runs.
    figures : dict
        Objectives and limited figures: (mean, low, high), NaN where there is none.
    broken : tuple of str
        Limits that are not met; with replications, not met at the confidence.
    confirmed : bool
        Whether the figures are from runs with fresh seeds, after the search.
    """

    chosen: dict[str, Any]
    point: dict[str, Any]
    status: str
    reason: str
    figures: dict[str, tuple[float, float, float]]
    broken: tuple[str, ...]
    confirmed: bool

    @property
    def feasible(self) -> bool:
        """Whether it ran and meets every limit."""
        return self.status == "ok" and not self.broken

    def to_dict(self) -> dict[str, Any]:
        """Return one row of plain values."""
        row: dict[str, Any] = {**self.chosen, "status": self.status, "confirmed": self.confirmed}
        for name, (mean, low, high) in self.figures.items():
            row |= {name: _plain(mean), f"{name}_low": _plain(low), f"{name}_high": _plain(high)}
        return row | {"broken": ", ".join(self.broken)}


class Bench:
    """Simulates configurations and takes their figures."""

    def __init__(  # noqa: PLR0917
        self, base: Any, space: Space, figures: Sequence[str], limits: Sequence[Limit],
        confidence: float, price: Prices, *, store: Path | None, threads: int | None,
        progress: Progress, end: float | None, datasets: Mapping[str, Trace] | None,
    ) -> None:  # fmt: skip
        import json

        self._base = base
        self._seed = int(json.loads(canonical(base))["seed"])
        self._space, self._figures, self.limits = space, list(figures), list(limits)
        self._confidence, self._price = confidence, price
        self._store, self._threads, self._progress = store, threads, progress
        self._end, self._datasets = end, datasets

    def measure(
        self,
        listed: Sequence[dict[str, Any]],
        runs: int,
        *,
        shift: int = 0,
        confirmed: bool = False,
    ) -> list[Configuration]:
        """Return configurations with their figures over so many runs, seeds counted from `shift`.

        Raises
        ------
        DeadlineExceeded
            If the deadline is over.
        """
        points = [self.point(chosen) for chosen in listed]
        left = None if self._end is None else max(self._end - time.monotonic(), 1e-6)
        table = sweep(
            self._seeded(shift), points, threads=self._threads, progress=self._progress,
            deadline_s=left, store=self._store, replications=runs if runs > 1 else None,
            confidence=self._confidence, datasets=self._datasets,
        )  # fmt: skip
        if table.unfinished:
            raise DeadlineExceeded("deadline_s: the search was not finished in time")
        values = {name: figure(table, name, self._price) for name in self._figures}
        found = []
        for i, chosen in enumerate(listed):
            mine = {name: _triple(columns, i) for name, columns in values.items()}
            broken = self._broken(mine, confirmed=confirmed) if table.status[i] == "ok" else ()
            found.append(
                Configuration(
                    dict(chosen),
                    points[i],
                    table.status[i],
                    table.reason[i],
                    mine,
                    broken,
                    confirmed,
                )
            )
        return found

    def point(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that a configuration sets."""
        return self._space.point(chosen)

    def _broken(
        self, figures: Mapping[str, tuple[float, float, float]], *, confirmed: bool
    ) -> tuple[str, ...]:
        broken = []
        for limit in self.limits:
            mean, low, high = (np.array([x]) for x in figures[limit.figure])
            if not limit.met(*((low, high) if confirmed else (mean, mean)))[0]:
                broken.append(str(limit))
        return tuple(broken)

    def _seeded(self, shift: int) -> Any:
        seed = (self._seed + shift) % 2**64
        if isinstance(self._base, str):
            import json

            return {**json.loads(self._base), "seed": seed}
        if isinstance(self._base, Encodable):
            return self._base.replace({"seed": seed})  # type: ignore[attr-defined]
        return {**self._base, "seed": seed}


def costs_of(listed: Sequence[Configuration], goals: Mapping[str, str]) -> npt.NDArray[np.float64]:
    """Return what is to be small, shape (configurations, objectives)."""
    return np.array(
        [
            [c.figures[g][0] * (-1 if way == "maximize" else 1) for g, way in goals.items()]
            for c in listed
        ],
        dtype=np.float64,
    ).reshape(len(listed), len(goals))


def in_order(tried: Sequence[Configuration], goals: Mapping[str, str]) -> list[Configuration]:
    """Return the feasible ones, front by front: those that none beats, then those behind them."""
    left = [c for c in tried if c.feasible and np.isfinite(costs_of([c], goals)).all()]
    ordered: list[Configuration] = []
    while left:
        front = set(nondominated(costs_of(left, goals)).tolist())
        ordered += [c for i, c in enumerate(left) if i in front]
        left = [c for i, c in enumerate(left) if i not in front]
    return ordered


# ---- Optuna


def search(
    bench: Bench,
    space: Space,
    goals: Mapping[str, str],
    *,
    trials: int,
    runs: int,
    seed: int,
) -> list[Configuration]:
    """Ask Optuna for configurations, eight at a time, and tell it what came out.

    Raises
    ------
    ConfigError
        If Optuna is not installed.
    """
    optuna = _optuna()
    found: dict[str, Configuration] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Optuna calls experimental
        sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, constant_liar=True,
            n_startup_trials=max(10, trials // 4), constraints_func=_excess_of,
        )  # fmt: skip
        study = optuna.create_study(sampler=sampler, directions=list(goals.values()))
        for first in range(0, trials, _BATCH):
            asked = [study.ask() for _ in range(min(_BATCH, trials - first))]
            chosen = [_suggested(space, trial) for trial in asked]
            keys = [encode(space.point(c), {}, "space") for c in chosen]
            new = {k: c for k, c in zip(keys, chosen, strict=True) if k not in found}
            if new:
                found |= zip(new, bench.measure(list(new.values()), runs), strict=True)
            for trial, key in zip(asked, keys, strict=True):
                _tell(study, trial, found[key], goals, bench.limits)
    return list(found.values())


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "method: got 'search', which needs Optuna; allowed: 'grid', or pip install "
            "'kvsim[optimize]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _suggested(space: Space, trial: Any) -> dict[str, Any]:
    def pick(d: Dimension) -> Any:
        if d.values is not None:
            return d.values[trial.suggest_categorical(d.name, list(range(len(d.values))))]
        if isinstance(d.range, Integers):
            return trial.suggest_int(d.name, d.range.low, d.range.high, log=d.range.log)
        assert d.range is not None
        log = isinstance(d.range, LogUniform)
        return trial.suggest_float(d.name, d.range.low, d.range.high, log=log)

    return space.choose(pick)


def _excess_of(trial: Any) -> tuple[float, ...]:
    return tuple(trial.user_attrs["excess"])


def _tell(
    study: Any, trial: Any, c: Configuration, goals: Mapping[str, str], limits: Sequence[Limit]
) -> None:
    ran = c.status == "ok"
    excess = [0.0 if ran else _BROKEN]
    for limit in limits:
        by = float(limit.excess(np.array([c.figures[limit.figure][0]]))[0])
        excess.append(min(by, _BROKEN))
    trial.set_user_attr("excess", excess)
    values = []
    for name, way in goals.items():
        mean = c.figures[name][0]
        worst = -_WORST if way == "maximize" else _WORST
        values.append(mean if ran and np.isfinite(mean) else worst)
    study.tell(trial, values)


def _triple(columns: Sequence[Any], i: int) -> tuple[float, float, float]:
    mean, low, high = (float(column[i]) for column in columns)
    return mean, low, high


def _plain(value: float) -> float | None:
    return value if np.isfinite(value) else None
