"""Closed forms of tensor and pipeline parallelism, computed by the engine.

They are what the simulation's communication is checked against, and bounds on paper: no launches,
no bandwidth lost. `link_gb_per_s` is per direction, between two GPUs; `link_latency_us` passes at
every hop (the alpha-beta model; Thakur, Rabenseifner, Gropp, 2005).

Examples
--------
>>> from kvsim import parallelism
>>> round(parallelism.all_reduce_ms(8, 8e6, link_gb_per_s=450), 3)  # 8 MB over NVLink 4
0.031
>>> parallelism.weight_gather_tokens("llama-3-70b"), parallelism.weight_gather_tokens(
...     "llama-3-70b", "fp8")
(26112.0, 13056.0)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kvsim import _native, catalog
from kvsim._each import Floats
from kvsim._each import each as _each
from kvsim.catalog import Gpu, Model
from kvsim.errors import ConfigError

__all__ = ["all_reduce_ms", "bubble_fraction", "prefill_ms", "weight_gather_ms",
           "weight_gather_tokens"]  # fmt: skip

_ALGORITHMS = ("ring", "tree")


def all_reduce_ms(
    gpus: int,
    tensor_bytes: Floats,
    *,
    link_gb_per_s: float,
    link_latency_us: float = 0.0,
    algorithm: str = "ring",
) -> Any:
    """Return the time of an all-reduce in ms.

    Ring: 2 (N - 1) hops, 2 (N - 1) / N of the tensor over each link. Tree: 2 ceil(log2 N) hops, the
    whole tensor over a link each way.

    Raises
    ------
    ConfigError
        If there is no GPU, no link, or another algorithm is named.

    Examples
    --------
    >>> round(all_reduce_ms(8, 8e6, link_gb_per_s=25), 2), round(
    ...     all_reduce_ms(8, 8e6, link_gb_per_s=12.5), 2)  # HDR InfiniBand, 100 Gbit/s Ethernet
    (0.56, 1.12)
    """
    if algorithm not in _ALGORITHMS:
        raise ConfigError(f"algorithm: got {algorithm!r}; allowed: {', '.join(_ALGORITHMS)}")
    link = _link(gpus, link_gb_per_s, link_latency_us)
    tree = algorithm == "tree"
    return _each(
        lambda size: _native.parallelism_all_reduce_ns(gpus, size, *link, tree) / 1e6, tensor_bytes
    )


def weight_gather_ms(
    model: str | Model | Mapping[str, Any],
    gpus: int,
    *,
    link_gb_per_s: float,
    link_latency_us: float = 0.0,
    weight_dtype: str = "bf16",
) -> float:
    """Return the time in ms to gather all layers' sharded weights once, whatever the tokens.

    Raises
    ------
    ValueError
        If there is no GPU, no link, or model or data type are not known.

    Examples
    --------
    >>> round(weight_gather_ms("llama-3-70b", 8, link_gb_per_s=450), 1)
    266.2
    """
    known = catalog.as_model(model)
    size = known.layer_bytes(weight_dtype)
    link = _link(gpus, link_gb_per_s, link_latency_us)
    return known.layers * _native.parallelism_all_gather_ns(gpus, size, *link) / 1e6


def weight_gather_tokens(
    model: str | Model | Mapping[str, Any], weight_dtype: str = "bf16"
) -> float:
    """Return the tokens a step above which gathering weights moves less than all-reduces do.

    Gathering a layer moves (N - 1) / N of its bytes W, two all-reduces of 16-bit activations move
    2 * 2 (N - 1) / N * 2 m h; equal at m = W / (8 h), for any number of GPUs. That is what
    `Kernels(tensor_parallel_form="weight_gather")` takes if it is told no other size.

    Raises
    ------
    ValueError
        If model or data type are not known.

    Examples
    --------
    >>> weight_gather_tokens("llama-3-8b", "fp8")  # a wider MLP for its width pays later
    6656.0
    """
    known = catalog.as_model(model)
    size = known.layer_bytes(weight_dtype)
    return _native.parallelism_weight_gather_tokens(size, known.hidden_size)


def prefill_ms(
    model: str | Model | Mapping[str, Any],
    prompt_tokens: int,
    gpus: int,
    *,
    gpu: str | Gpu = "h100-sxm",
    flop_efficiency: float = 0.5,
    link_gb_per_s: float | None = None,
    link_latency_us: float = 0.5,
) -> dict[str, float]:
    """Return arithmetic and communication of a prompt in 16 bits over `gpus` GPUs, in ms.

    2 P m + 4 m^2 h L operations at a share of the GPU's peak, then two ring all-reduces of the
    activations a layer, one after the other: an estimate on paper (`kvsim.sharding` simulates).

    Raises
    ------
    ValueError
        If a number is not above 0, or model or GPU are not known.

    Examples
    --------
    >>> {name: round(ms, 1) for name, ms in prefill_ms("llama-3-70b", 1024, 8).items()}
    {'compute': 37.2, 'comm': 11.6, 'total': 48.8}
    """
    known = catalog.as_model(model)
    device = catalog.gpu(gpu) if isinstance(gpu, str) else gpu
    link = device.link_bytes_per_s / 1e9 if link_gb_per_s is None else link_gb_per_s
    compute, comm = _native.parallelism_prefill_ns(
        known.parameters, known.layers, known.hidden_size, prompt_tokens, gpus,
        flop_efficiency * device.flops_fp16, *_link(gpus, link, link_latency_us),
    )  # fmt: skip
    return {"compute": compute / 1e6, "comm": comm / 1e6, "total": (compute + comm) / 1e6}


def bubble_fraction(stages: int, micro_batches: Floats) -> Any:
    """Return the share of time that a stage idles, (p - 1) / (m + p - 1).

    Examples
    --------
    >>> bubble_fraction(4, [1, 4, 13]).tolist()
    [0.75, 0.42857142857142855, 0.1875]
    """
    return _each(_native.parallelism_bubble_fraction, stages, micro_batches)


def _link(gpus: int, gb_per_s: float, latency_us: float) -> tuple[float, float]:
    for name, value, fits, allowed in (
        ("gpus", gpus, gpus >= 1, "1 or more"),
        ("link_gb_per_s", gb_per_s, gb_per_s > 0, "a number above 0"),
        ("link_latency_us", latency_us, latency_us >= 0, "a number, 0 or more"),
    ):
        if not (fits and value < 1e9):
            raise ConfigError(f"{name}: got {value!r}; allowed: {allowed}, below 1e9")
    return 1e9 * gb_per_s, 1e3 * latency_us
