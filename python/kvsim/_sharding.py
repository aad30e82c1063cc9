"""All ways to share a model between GPUs, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvsim._pandas import frame
from kvsim._sweep import sweep
from kvsim._waterfall import Waterfall
from kvsim.errors import ConfigError
from kvsim.parallelism import weight_gather_tokens

if TYPE_CHECKING:
    import pandas as pd

    from kvsim._sweep_result import SweepResult
    from kvsim.catalog import Gpu, Model
    from kvsim.result import Result

# Each split is also loaded by closed loops of so many clients.
CONCURRENCIES = (1, 4, 16, 64, 256)
# Requests of a closed loop for each client: the first wave is not typical.
_WAVES = 4


@dataclass(frozen=True)
class LoadPoint:
    """A closed loop on one split: clients, output tokens/s, mean latencies in ms."""

    concurrency: int
    output_throughput: float
    mean_ttft_ms: float
    mean_tpot_ms: float


@dataclass(frozen=True)
class Split:
    """One way to share a model: `tensor_parallel_size` GPUs a layer, so many pipeline stages.

    Attributes
    ----------
    tensor_parallel_size, pipeline_parallel_size : int
    status, reason : str
        `ok`, or why it cannot be (`infeasible`: does not fit; `invalid`: does not divide, ...); the
        other attributes are None or empty then.
    ttft_ms, tpot_ms : float
        Of one request alone.
    ttft_band_ms : (float, float) or None
        Where nine of ten measurements of the TTFT would lie; None if nothing of the kind was
        measured.
    ttft_parts : Waterfall
        What the TTFT consists of.
    tpot_parts_ms : mapping
        What the TPOT consists of, in ms by part.
    binds : str
        The largest part of the TTFT.
    output_throughput : float
        Tokens/s of the closed loop with most clients.
    binds_under_load : str
        The largest part of the steps of that loop, or bubble if stages idle for longer.
    load : tuple of LoadPoint
        The closed loops.
    kv_tokens : int
        Room in the KV cache of all GPUs together.
    verdict : str
        `meets` or `misses` the target, with `within the band` if measurements may say otherwise.
    calibration : str
        What the step times rest on.
    """

    tensor_parallel_size: int
    pipeline_parallel_size: int
    status: str
    reason: str
    ttft_ms: float | None = None
    ttft_band_ms: tuple[float, float] | None = None
    ttft_parts: Waterfall | None = None
    tpot_ms: float | None = None
    tpot_parts_ms: Mapping[str, float] | None = None
    binds: str | None = None
    output_throughput: float | None = None
    binds_under_load: str | None = None
    load: tuple[LoadPoint, ...] = ()
    kv_tokens: int | None = None
    verdict: str | None = None
    calibration: str | None = None

    @property
    def name(self) -> str:
        """`TP 4 x PP 2`."""
        return f"TP {self.tensor_parallel_size} x PP {self.pipeline_parallel_size}"

    @property
    def meets(self) -> bool:
        """Whether the simulated TTFT is within the target."""
        return self.verdict is not None and self.verdict.startswith("meets")

    def to_dict(self) -> dict[str, Any]:
        """Return one row of plain values."""
        low, high = self.ttft_band_ms or (None, None)
        parts = {} if self.ttft_parts is None else self.ttft_parts.parts_ms
        return {
            "split": self.name,
            "tensor_parallel_size": self.tensor_parallel_size,
            "pipeline_parallel_size": self.pipeline_parallel_size,
            "status": self.status,
            "reason": self.reason,
            "ttft_ms": self.ttft_ms,
            "ttft_low_ms": low,
            "ttft_high_ms": high,
            "verdict": self.verdict,
            "meets": self.meets,
            "binds": self.binds,
            "tpot_ms": self.tpot_ms,
            "output_throughput": self.output_throughput,
            "binds_under_load": self.binds_under_load,
            "kv_tokens": self.kv_tokens,
            "calibration": self.calibration,
            **{f"ttft_{name}_ms": value for name, value in parts.items()},
        }


@dataclass(frozen=True)
class Sharding:
    """Every split of a model over a number of GPUs; `sharding` makes it.

    Attributes
    ----------
    title : str
        Model, data type, GPUs, prompt.
    target_ttft_ms : float
    weight_gather_tokens : float
        Tokens a step above which gathering sharded weights would move less than all-reduces of
        activations do (`parallelism.weight_gather_tokens`).
    splits : tuple of Split
        Most tensor parallel first.
    warnings : tuple of str
        What a reader of the figures should know.
    """

    title: str
    target_ttft_ms: float
    weight_gather_tokens: float
    splits: tuple[Split, ...]
    warnings: tuple[str, ...]

    @property
    def best(self) -> Split | None:
        """The split with the least TTFT, None if none can be."""
        able = [s for s in self.splits if s.ttft_ms is not None]
        return min(able, key=lambda s: s.ttft_ms or 0.0, default=None)

    @property
    def weight_gather_text(self) -> str:
        """In words."""
        return (
            f"gathering weights moves less than all-reduces above {self.weight_gather_tokens:,.0f} "
            "tokens a step"
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping of plain values a split."""
        return [split.to_dict() for split in self.splits]

    def to_pandas(self) -> pd.DataFrame:
        """Return the splits as a pandas DataFrame (needs pandas)."""
        return frame(self.rows())

    def plot(self, axes: Sequence[Any] | None = None) -> Any:
        """Draw TTFT and TPOT of one request by parts, and the splits under load."""
        from importlib import import_module

        plots = import_module("kvsim.plots")  # by name: results do not depend on pictures
        return plots.sharding(self, axes)

    def __str__(self) -> str:
        """Text, a line a split."""
        lines = [f"{self.title}; target {self.target_ttft_ms:g} ms"]
        for s in self.splits:
            if s.ttft_ms is None or s.tpot_ms is None or s.output_throughput is None:
                lines.append(f"{s.name}: {s.status}: {s.reason}")
                continue
            band = (
                ""
                if s.ttft_band_ms is None
                else (f" ({s.ttft_band_ms[0]:.1f} to {s.ttft_band_ms[1]:.1f})")
            )
            lines.append(
                f"{s.name}: TTFT {s.ttft_ms:.1f} ms{band}, {s.verdict} ({s.binds} binds); TPOT "
                f"{s.tpot_ms:.2f} ms; {s.output_throughput:,.0f} tokens/s at "
                f"{s.load[-1].concurrency} clients ({s.binds_under_load} binds); KV room "
                f"{s.kv_tokens:,} tokens"
            )
        lines.append(self.weight_gather_text)
        return "\n".join(lines)


def sharding(
    model: str | Model | Mapping[str, Any],
    gpus: int = 8,
    target_ttft_ms: float = 50.0,
    *,
    gpu: str | Gpu | Mapping[str, Any] = "h100-sxm",
    prompt_tokens: int = 1024,
    output_tokens: int = 256,
    weight_dtype: str = "bf16",
    kv_cache_dtype: str = "auto",
    engine: Any = "vllm-0.33",
    step_time: Any = None,
    concurrencies: Sequence[int] = CONCURRENCIES,
    threads: int | None = None,
) -> Sharding:
    """List every way to share a model between GPUs by tensor and pipeline parallelism.

    One request alone tells latency, closed loops of more and more clients throughput. Splits that
    cannot be (heads that do not divide, weights that do not fit) stay in the list with the reason.

    Parameters
    ----------
    model : str, Model or mapping
        Name in the catalogue, or an inline model.
    gpus : int
        GPUs in all; every split uses all of them.
    target_ttft_ms : float
        Time to first token that a split is to reach for one request, in ms.
    gpu : str, Gpu or mapping
        Name in the catalogue, or an inline GPU.
    prompt_tokens, output_tokens : int
        Of every request.
    weight_dtype, kv_cache_dtype : str
        As in a scenario.
    engine : str, Engine or mapping
        A preset or the engine itself.
    step_time : mapping, optional
        Instead of `{"kind": "kernels"}`; more GPUs than a node has need its `node_link_gb_per_s`.
    concurrencies : sequence of int
        Clients of the closed loops.
    threads : int, optional
        As for `sweep`.

    Returns
    -------
    Sharding

    Raises
    ------
    ConfigError
        If a value is not allowed.

    Examples
    --------
    >>> import kvsim
    >>> found = kvsim.sharding("llama-3-70b", gpus=8, weight_dtype="fp8", concurrencies=[4])
    >>> [split.name for split in found.splits]
    ['TP 8 x PP 1', 'TP 4 x PP 2', 'TP 2 x PP 4', 'TP 1 x PP 8']
    >>> found.best.name, found.best.meets
    ('TP 8 x PP 1', True)

    Two nodes of eight GPUs. What crosses the slower link between them is every all-reduce of
    TP 16, but one hand-over between two stages of TP 8:

    >>> nodes = {"kind": "kernels", "node_link_gb_per_s": 400}
    >>> found = kvsim.sharding("llama-3-70b", gpus=16, step_time=nodes, weight_dtype="fp8",
    ...                        concurrencies=[4])
    >>> [(split.name, round(split.ttft_parts.parts_ms["comm"], 1)) for split in found.splits[:2]]
    [('TP 16 x PP 1', 21.6), ('TP 8 x PP 2', 14.8)]
    """
    _check_number("gpus", gpus, whole=True)
    _check_number("target_ttft_ms", target_ttft_ms)
    loops = list(concurrencies)
    if not loops:
        raise ConfigError("concurrencies: got none; allowed: at least one")
    for concurrency in loops:
        _check_number("concurrencies", concurrency, whole=True)
    lengths = {"kind": "fixed", "prompt_tokens": prompt_tokens, "output_tokens": output_tokens}
    base = {
        "model": model,
        "gpu": gpu,
        "weight_dtype": weight_dtype,
        "kv_cache_dtype": kv_cache_dtype,
        "engine": engine,
        "step_time": {"kind": "kernels"} if step_time is None else step_time,
        "workload": {"num_requests": 1, "lengths": lengths},
    }
    sizes = [(gpus // stages, stages) for stages in range(1, gpus + 1) if gpus % stages == 0]
    points = [
        {
            "tensor_parallel_size": tp,
            "pipeline_parallel_size": pp,
            "workload.num_requests": clients * (1 if clients == 1 else _WAVES),
            "workload.arrivals": {"kind": "closed_loop", "concurrency": clients},
        }
        for tp, pp in sizes
        for clients in (1, *loops)
    ]
    runs = sweep(base, points, record="requests", threads=threads)
    reasons = set(runs.reason)
    if set(runs.status) == {"invalid"} and len(reasons) == 1:
        raise ConfigError(reasons.pop())  # nothing that another split would mend
    splits = [
        _split(
            (tp, pp),
            loops,
            runs.select(tensor_parallel_size=tp, pipeline_parallel_size=pp),
            target_ttft_ms,
        )
        for tp, pp in sizes
    ]
    name = model if isinstance(model, str) else _name(model)
    device = gpu if isinstance(gpu, str) else _name(gpu)
    title = f"{name} ({weight_dtype}) on {gpus} {device}, prompt of {prompt_tokens:,} tokens"
    gather = weight_gather_tokens(model, weight_dtype)
    return Sharding(title, float(target_ttft_ms), gather, tuple(splits), tuple(runs.warnings))


def _split(
    size: tuple[int, int], loops: Sequence[int], runs: SweepResult, target_ttft_ms: float
) -> Split:
    tp, pp = size
    results = runs.results
    done = [r for r in results if r is not None]
    if len(done) < len(results):
        at = next(i for i, r in enumerate(results) if r is None)
        return Split(tp, pp, runs.status[at], runs.reason[at])
    alone, *loaded = done
    parts = alone.waterfall("ttft")
    band = alone.error_band("ttft")
    whole = alone.waterfall("e2e").parts_ms
    gaps = max(1, int(alone.requests["output_tokens"][0]) - 1)
    return Split(
        tp,
        pp,
        "ok",
        "",
        ttft_ms=parts.total_ms,
        ttft_band_ms=band,
        ttft_parts=parts,
        tpot_ms=alone.summary["mean_tpot_ms"] or 0.0,
        tpot_parts_ms={name: (whole[name] - ms) / gaps for name, ms in parts.parts_ms.items()},
        binds=parts.largest,
        output_throughput=loaded[-1].summary["output_throughput"],
        binds_under_load=_binds(loaded[-1], pp),
        load=tuple(
            LoadPoint(
                clients,
                run.summary["output_throughput"],
                run.summary["mean_ttft_ms"],
                run.summary["mean_tpot_ms"] or 0.0,
            )
            for clients, run in zip(loops, loaded, strict=True)
        ),
        kv_tokens=alone.kv_budget.usable_tokens,
        verdict=_verdict(parts.total_ms, band, target_ttft_ms),
        calibration=alone.calibration,
    )


def _binds(run: Result, stages: int) -> str:
    totals = run.totals
    parts = {name: totals[f"{name}_ns"] for name in ("host", "compute", "hbm", "comm")}
    # Of the stages' time together, what their steps do not fill.
    parts["bubble"] = (totals["end_ns"] - totals["start_ns"]) * stages - totals["busy_ns"]
    return max(parts, key=lambda name: parts[name])


def _verdict(ttft_ms: float, band: tuple[float, float] | None, target_ms: float) -> str:
    verdict = "meets" if ttft_ms <= target_ms else "misses"
    if band is None:
        return f"{verdict}, no measurements of the kind"
    return f"{verdict}, within the band" if band[0] <= target_ms <= band[1] else verdict


def _check_number(name: str, value: Any, *, whole: bool = False) -> None:
    kind: Any = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value < 1e9:
        what = "a whole number above 0" if whole else "a number above 0"
        raise ConfigError(f"{name}: got {value!r}; allowed: {what}")


def _name(thing: Any) -> str:
    return str(thing.get("name", "custom") if isinstance(thing, Mapping) else thing.name)
