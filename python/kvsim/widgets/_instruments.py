"""The widgets: a base scenario, sliders over some of its fields, an instrument of the outcome."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from kvsim._encode import Encodable
from kvsim._frontier import FrontierResult, frontier
from kvsim._schema import check_path, paths
from kvsim._simulate import canonical, simulate
from kvsim.errors import ConfigError, InfeasibleError, LivelockError
from kvsim.result import Result
from kvsim.scenario import Scenario
from kvsim.widgets import _bundle, _data

if TYPE_CHECKING:
    from kvsim._simulate import ScenarioLike

Controls = Mapping[str, Sequence[Any]]
_THEMES = ("auto", "light", "dark")
_STATUS = {InfeasibleError: "infeasible", LivelockError: "livelock", ConfigError: "invalid"}


class _Instrument(anywidget.AnyWidget):
    """What all three have: scenario, settings, the run and what is drawn of it."""

    _css = _bundle.style()
    # Beside the page's copy of each in the browser.
    data: Any = traitlets.Dict().tag(sync=True)
    ghost: Any = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    options: Any = traitlets.Dict().tag(sync=True)
    theme: Any = traitlets.Enum(_THEMES, default_value="auto").tag(sync=True)
    controls: Any = traitlets.List().tag(sync=True)
    settings: Any = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        base: ScenarioLike,
        controls: Controls | None = None,
        *,
        theme: str = "auto",
        **options: Any,
    ) -> None:
        self._base: dict[str, Any] = json.loads(canonical(base))
        self.result: Any = None
        self.reason = ""
        described = [_control(path, values) for path, values in (controls or {}).items()]
        super().__init__(
            controls=described,
            settings={c["path"]: self._start(c) for c in described},
            options=options,
            theme=theme,
        )
        self._run()
        self.observe(self._moved, names="settings")

    @property
    def scenario(self) -> Scenario:
        """The base with the sliders' settings."""
        return Scenario.from_dict(self._base).replace(dict(self.settings))

    def _start(self, control: Mapping[str, Any]) -> Any:
        """Return where a slider stands first: the base's own value, else the first."""
        node: Any = self._base
        for name in control["path"].split("."):
            node = node.get(name) if isinstance(node, dict) else None
        return node if node in control["values"] else control["values"][0]

    def _moved(self, _: Any) -> None:
        self._run()

    def _run(self) -> None:
        """Simulate anew; a scenario that cannot run is shown as one."""
        try:
            scenario = self.scenario
            self.result = self._simulate(scenario)
            self.reason = ""
            data = self._drawn(self.result, scenario.run_id)
        except (InfeasibleError, LivelockError, ConfigError) as error:
            self.result = None
            self.reason = str(error)
            status = next(text for kind, text in _STATUS.items() if isinstance(error, kind))
            data = _data.failed_data(status, self.reason, "none")
        self._show(data)

    def _show(self, data: dict[str, Any]) -> None:
        self.data = data

    @abstractmethod
    def _simulate(self, scenario: Scenario) -> Any: ...

    @abstractmethod
    def _drawn(self, result: Any, run_id: str) -> dict[str, Any]: ...


class Frontier(_Instrument):
    """Latency over load, with capacity and knee; sliders change the scenario.

    Parameters
    ----------
    base : Scenario, mapping or JSON text
        The scenario; its arrivals must have a rate.
    controls : mapping, optional
        A slider for each dotted path, over the values given.
    metric : str
        Latency that is drawn, as in `kvsim.frontier`.
    num_points : int
        Rates of the curve.
    theme : {"auto", "light", "dark"}
        Looks; auto follows the browser.
    **options
        Of the picture: `title`, `slo_ms` (a limit to draw), `log`.

    Attributes
    ----------
    result : FrontierResult or None
        What is shown; None if the scenario cannot run, see `reason`.
    settings : dict
        Where the sliders stand; setting it moves them.
    scenario : Scenario
        The base with these settings.

    Examples
    --------
    >>> widget = Frontier(base, {"engine.max_num_seqs": [8, 64]}, slo_ms=500)  # doctest: +SKIP
    >>> widget.result.knee.offered_per_s  # doctest: +SKIP
    """

    _esm = _bundle.module("frontier")
    result: FrontierResult | None

    def __init__(
        self,
        base: ScenarioLike,
        controls: Controls | None = None,
        *,
        metric: str = "p99_ttft_ms",
        num_points: int = 20,
        theme: str = "auto",
        **options: Any,
    ) -> None:
        self._metric, self._num_points = metric, num_points
        super().__init__(base, controls, theme=theme, **options)

    def _simulate(self, scenario: Scenario) -> FrontierResult:
        return frontier(scenario, metric=self._metric, num_points=self._num_points)

    def _drawn(self, result: FrontierResult, run_id: str) -> dict[str, Any]:
        return _data.frontier_data(result, run_id)


class Waterfall(_Instrument):
    """The parts of a latency, before an outline of the run before it.

    Takes and has what `Frontier` does, but for these.

    Parameters
    ----------
    base : Scenario, mapping or JSON text
        The scenario; requests and their waterfalls are kept whatever it says.
    **options
        Of the picture: `metric` ("ttft" or "e2e"), `which` ("mean", "p50" or "p99"), `title`,
        `limit_ms`.

    Attributes
    ----------
    result : Result or None
        What is shown; None if the scenario cannot run.

    Examples
    --------
    >>> Waterfall(base, metric="e2e", which="mean")  # doctest: +SKIP
    """

    _esm = _bundle.module("waterfall")
    result: Result | None

    def _simulate(self, scenario: Scenario) -> Result:
        kept = scenario.record if scenario.record != "summary" else "requests"
        return simulate(scenario.replace(record=kept, record_waterfall=True))

    def _drawn(self, result: Result, run_id: str) -> dict[str, Any]:
        return _data.run_data(result, run_id)

    def _show(self, data: dict[str, Any]) -> None:
        before = self.data or None
        with self.hold_sync():
            self.ghost = before
            self.data = data


class KVCacheHeatmap(_Instrument):
    """What every place of the KV memory holds over time.

    Takes and has what `Frontier` does, but for these.

    Parameters
    ----------
    base : Scenario, mapping or JSON text
        The scenario; the memory's picture is kept whatever it says.
    **options
        Of the picture: `title`.

    Attributes
    ----------
    result : Result or None
        What is shown; None if the scenario cannot run.

    Examples
    --------
    >>> KVCacheHeatmap(base, {"engine.num_gpu_blocks": [500, 1500]})  # doctest: +SKIP
    """

    _esm = _bundle.module("heatmap")
    result: Result | None

    def _simulate(self, scenario: Scenario) -> Result:
        return simulate(scenario.replace(record_memory="heatmap"))

    def _drawn(self, result: Result, run_id: str) -> dict[str, Any]:
        return _data.heatmap_data(result, run_id)


def _control(path: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return a slider: path, name, unit and doc from the engine's field table, and its values."""
    check_path(path, "controls")
    chosen = list(values)
    if not chosen:
        raise ConfigError(f"controls[{path!r}]: got no values; allowed: at least one")
    about = paths()[path]
    plain = [
        json.loads(v._json) if isinstance(v, Encodable) else v.item() if hasattr(v, "item") else v
        for v in chosen
    ]
    label = path.rpartition(".")[2]
    return {
        "path": path, "label": label, "unit": about.unit, "doc": about.doc, "values": plain,
    }  # fmt: skip
