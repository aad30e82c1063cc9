"""Models and GPUs: the catalogue that comes with kvsim, and your own.

The entries are JSON (kvsim/data/catalog), with a source each. The same objects may stand inline in
a scenario; `to_dict` makes them.

Examples
--------
>>> model("llama-3-70b").kv_bytes_per_token()
327680
>>> gpu("h100-sxm").hbm_bytes_per_s
3350000000000.0
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from kvsim._names import nearest

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

_FOLDER = Path(__file__).parent / "data" / "catalog"
_Entry = TypeVar("_Entry", "Model", "Gpu")

# Bits of one number. int4 is weight-only; its scales (about 3 % more) are not counted.
WEIGHT_BITS = MappingProxyType({"bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "int4": 4})
KV_CACHE_BITS = MappingProxyType({"auto": 16, "bf16": 16, "fp16": 16, "fp8": 8})
LINKS = ("nvlink", "xgmi", "pcie")


class CatalogError(ValueError):
    """A model or GPU that is not known or makes no sense; names field and value."""


@dataclass(frozen=True)
class Model:
    """A decoder-only transformer, as its config.json has it.

    Parameters
    ----------
    name : str
        Name, for reports.
    layers, hidden_size, intermediate_size : int
        Transformer layers, width of the residual stream, width of the MLP.
    heads, kv_heads, head_dim : int
        Query heads, key and value heads (fewer with grouped-query attention), size of a head.
    vocab_size : int
        Entries of the vocabulary.
    max_position_embeddings : int
        Longest context, in tokens.
    tied_embeddings : bool
        Input and output embeddings are one matrix.
    num_experts, experts_per_token, moe_intermediate_size : int
        Experts of a layer, experts a token is routed to, width of one expert's MLP; 0 if dense.
        With experts, `intermediate_size` is not used.
    qk_norm : bool
        Queries and keys are normalised.
    mlp_matrices : int
        Matrices of an MLP: 3 if gated (SwiGLU, GeGLU), 2 if plain.
    source, notes : str
        Where the numbers are from, and what to know of them.

    Raises
    ------
    CatalogError
        If a field makes no sense, naming it.

    Examples
    --------
    >>> Model("tiny", layers=2, hidden_size=64, intermediate_size=128, heads=4, kv_heads=2,
    ...       head_dim=16, vocab_size=100, max_position_embeddings=512).parameters
    86848
    """

    name: str
    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    max_position_embeddings: int
    tied_embeddings: bool = False
    num_experts: int = 0
    experts_per_token: int = 0
    moe_intermediate_size: int = 0
    qk_norm: bool = False
    mlp_matrices: int = 3
    source: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        """Check the fields."""
        _check_types(self)
        for field in (
            "layers", "hidden_size", "intermediate_size", "heads", "kv_heads", "head_dim",
            "vocab_size", "max_position_embeddings",
        ):  # fmt: skip
            _check(self, field, getattr(self, field) >= 1, "at least 1")
        _check(
            self, "kv_heads", self.heads % self.kv_heads == 0, f"a divisor of heads={self.heads}"
        )
        _check(self, "mlp_matrices", self.mlp_matrices in (2, 3), "2 or 3")
        _check(self, "num_experts", self.num_experts >= 0, "at least 0")
        if self.num_experts:
            top = self.num_experts
            _check(self, "experts_per_token", 1 <= self.experts_per_token <= top, f"in 1..{top}")
            _check(self, "moe_intermediate_size", self.moe_intermediate_size >= 1, "at least 1")
        else:
            for field in ("experts_per_token", "moe_intermediate_size"):
                _check(self, field, getattr(self, field) == 0, "0 for a dense model")

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Model:
        """Make a model of a JSON object; unknown and missing fields are errors.

        Raises
        ------
        CatalogError
            Naming the field.

        Examples
        --------
        >>> Model.from_dict(model("opt-13b").to_dict()) == model("opt-13b")
        True
        """
        return _from_dict(cls, fields)

    @classmethod
    def from_hf_config(
        cls, config: str | os.PathLike[str] | Mapping[str, Any], name: str | None = None
    ) -> Model:
        """Make a model of a Hugging Face config.json.

        Parameters
        ----------
        config : path or mapping
            The file, a folder with a config.json in it, or the parsed object. Known architectures:
            llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, gemma2, phi3, opt.
        name : str, optional
            Name of the model; otherwise the config's own or the folder's.

        Raises
        ------
        CatalogError
            If the architecture is not known or a field is missing, naming it.
        OSError
            If the file cannot be opened.

        Examples
        --------
        >>> config = {"model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096,
        ...           "intermediate_size": 14336, "num_attention_heads": 32,
        ...           "num_key_value_heads": 8, "vocab_size": 128256,
        ...           "max_position_embeddings": 8192}
        >>> Model.from_hf_config(config, "mine").parameters
        8030261248
        """
        from kvsim import _hf_config

        return cls(**_hf_config.read(config, name))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that a scenario accepts inline."""
        return dataclasses.asdict(self)

    @property
    def parameters(self) -> int:
        """Number of weights: matrices, embeddings and two norms a layer; no biases.

        Examples
        --------
        >>> model("llama-3-70b").parameters
        70553706496
        """
        return self._layer_weights + self._other_weights

    @property
    def _layer_weights(self) -> int:
        """Weights of the layers' matrices: what a quantised checkpoint quantises."""
        h = self.hidden_size
        attention = h * (self.heads + 2 * self.kv_heads) * self.head_dim
        attention += self.heads * self.head_dim * h
        if self.num_experts:
            mlp = self.num_experts * self.mlp_matrices * h * self.moe_intermediate_size
        else:
            mlp = self.mlp_matrices * h * self.intermediate_size
        return self.layers * (attention + mlp)

    @property
    def _other_weights(self) -> int:
        """Embeddings, output head, routers and norms, which stay in 16 bits."""
        h = self.hidden_size
        embeddings = self.vocab_size * h * (1 if self.tied_embeddings else 2)
        norms = 2 * h + (2 * self.head_dim if self.qk_norm else 0)
        return embeddings + h + self.layers * (norms + self.num_experts * h)

    def kv_bytes_per_token(self, dtype: str = "auto") -> int:
        """Bytes of KV cache a token: 2 * layers * kv_heads * head_dim * bytes of a number.

        Parameters
        ----------
        dtype : {"auto", "bf16", "fp16", "fp8"}
            Type of the cache; auto is 16 bits.

        Raises
        ------
        CatalogError
            If the type is not one of these.

        Examples
        --------
        >>> model("llama-3-70b").kv_bytes_per_token("fp8")
        163840
        """
        bits = _bits("kv_cache_dtype", dtype, KV_CACHE_BITS)
        return 2 * self.layers * self.kv_heads * self.head_dim * bits // 8

    def layer_bytes(self, dtype: str = "bf16") -> float:
        """Bytes of the matrices of one layer, over all GPUs.

        Raises
        ------
        CatalogError
            If the type is not one that `weight_bytes` knows.

        Examples
        --------
        >>> model("llama-3-70b").layer_bytes("fp8")
        855638016.0
        """
        return self._layer_weights / self.layers * _bits("weight_dtype", dtype, WEIGHT_BITS) / 8

    def weight_bytes(self, dtype: str = "bf16") -> int:
        """Bytes of the weights over all GPUs.

        Embeddings, output head, routers and norms stay in 16 bits whatever the type, as in vLLM's
        quantised checkpoints.

        Parameters
        ----------
        dtype : {"bf16", "fp16", "fp8", "int8", "int4"}
            Type of the layers' matrices. Scales of quantised weights are not counted.

        Raises
        ------
        CatalogError
            If the type is not one of these.

        Examples
        --------
        >>> model("llama-3-70b").weight_bytes()
        141107412992
        """
        bits = _bits("weight_dtype", dtype, WEIGHT_BITS)
        return -(-self._layer_weights * bits // 8) + 2 * self._other_weights


@dataclass(frozen=True)
class Gpu:
    """A GPU, as its data sheet has it. Rates are dense (no sparsity), bandwidths a direction.

    Parameters
    ----------
    name : str
        Name, for reports.
    memory_bytes : float
        Memory that the framework sees (`torch.cuda.mem_get_info`), in bytes.
    memory_gb : float
        Memory on the data sheet, in GB (10^9 bytes).
    hbm_bytes_per_s : float
        Memory bandwidth, in bytes/s.
    flops_fp16, flops_fp8, flops_int8 : float or None
        Peak FLOP/s with FP16 or BF16, FP8 and INT8 operands; None if it cannot.
    sms : int
        Streaming multiprocessors, or compute units.
    link : {"nvlink", "xgmi", "pcie"}
        What joins the GPUs of a node.
    link_bytes_per_s, pcie_bytes_per_s : float
        Bandwidth of that link and of PCIe, in bytes/s a direction.
    tdp_w, idle_w : float
        Board power and idle power, in W.
    node_gpus : int
        GPUs that the link joins.
    dtypes : tuple of str
        Weight types it serves; int4 is weight-only, computed in 16 bits.
    source, notes : str
        Where the numbers are from, and what to know of them.

    Raises
    ------
    CatalogError
        If a field makes no sense, naming it.

    Examples
    --------
    >>> gpu("a100-80").flops_fp8 is None
    True
    """

    name: str
    memory_bytes: float
    memory_gb: float
    hbm_bytes_per_s: float
    flops_fp16: float
    flops_fp8: float | None
    flops_int8: float | None
    sms: int
    link: str
    link_bytes_per_s: float
    pcie_bytes_per_s: float
    tdp_w: float
    idle_w: float
    node_gpus: int
    dtypes: tuple[str, ...]
    source: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        """Check the fields."""
        _check_types(self)
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and field.name != "idle_w":
                _check(self, field.name, value > 0 and math.isfinite(value), "positive and finite")
        _check(self, "idle_w", 0 <= self.idle_w <= self.tdp_w, f"in 0..tdp_w={self.tdp_w:g}")
        _check(self, "link", self.link in LINKS, f"one of {', '.join(LINKS)}")
        known = all(d in WEIGHT_BITS for d in self.dtypes)
        _check(self, "dtypes", known and self.dtypes != (), f"out of {', '.join(WEIGHT_BITS)}")

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Gpu:
        """Make a GPU of a JSON object; unknown and missing fields are errors.

        Raises
        ------
        CatalogError
            Naming the field.

        Examples
        --------
        >>> Gpu.from_dict({**gpu("l4").to_dict(), "name": "mine", "tdp_w": 60}).tdp_w
        60.0
        """
        return _from_dict(cls, fields)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that a scenario accepts inline."""
        return dataclasses.asdict(self) | {"dtypes": list(self.dtypes)}


def models() -> Mapping[str, Model]:
    """All models of the catalogue by name.

    Examples
    --------
    >>> "qwen3-32b" in models()
    True
    """
    return _read("models.json", Model)


def gpus() -> Mapping[str, Gpu]:
    """All GPUs of the catalogue by name.

    Examples
    --------
    >>> sorted(gpus())[:2]
    ['a100-40', 'a100-80']
    """
    return _read("gpus.json", Gpu)


def model(name: str) -> Model:
    """Look up a model.

    Raises
    ------
    CatalogError
        If the catalogue does not have it; the nearest names are given.

    Examples
    --------
    >>> model("llama-3-8b").layers
    32
    """
    return _look_up("model", name, models())


def gpu(name: str) -> Gpu:
    """Look up a GPU.

    Raises
    ------
    CatalogError
        If the catalogue does not have it; the nearest names are given.

    Examples
    --------
    >>> gpu("h100-sxm").link_bytes_per_s
    450000000000.0
    """
    return _look_up("gpu", name, gpus())


def as_model(of: str | Model | Mapping[str, Any]) -> Model:
    """Return a model by its name in the catalogue or from its fields; a model as it is.

    Raises
    ------
    ValueError
        If the catalogue does not have it, or a field is missing or not known.

    Examples
    --------
    >>> as_model("llama-3-8b") is model("llama-3-8b")
    True
    """
    if isinstance(of, str):
        return model(of)
    return of if isinstance(of, Model) else Model.from_dict({"name": "custom", **of})


def _look_up(kind: str, name: str, entries: Mapping[str, _Entry]) -> _Entry:
    if name not in entries:
        raise CatalogError(f"{kind} {name!r} is not in the catalogue{nearest(name, entries)}")
    return entries[name]


@functools.cache
def _read(file: str, cls: type[_Entry]) -> Mapping[str, _Entry]:
    rows = json.loads((_FOLDER / file).read_text(encoding="utf-8"))
    return MappingProxyType({row["name"]: _from_dict(cls, row) for row in rows})


def _from_dict(cls: type[_Entry], fields: Mapping[str, Any]) -> _Entry:
    known = {f.name: f for f in dataclasses.fields(cls)}
    what = f"{cls.__name__} {fields.get('name', '')!r}"
    for field in fields:
        if field not in known:
            raise CatalogError(f"{what} has no field {field!r}{nearest(field, known)}")
    for name, about in known.items():
        if name not in fields and about.default is dataclasses.MISSING:
            raise CatalogError(f"{what}: the field {name!r} is missing")
    # JSON has lists where the dataclasses, which are hashable, have tuples.
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return cls(**values)


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
    "float | None": (int, float, type(None)),
    "tuple[str, ...]": (tuple,),
}


def _check_types(entry: Model | Gpu) -> None:
    for field in dataclasses.fields(entry):
        value = getattr(entry, field.name)
        kind = str(field.type)
        right = isinstance(value, _TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))
        _check(entry, field.name, right, f"of type {kind}")
        if kind.startswith("float") and isinstance(value, int):
            object.__setattr__(entry, field.name, float(value))


def _check(entry: Model | Gpu, field: str, good: bool, allowed: str) -> None:
    if not good:
        what = f"{type(entry).__name__} {entry.name!r}"
        value = getattr(entry, field)
        raise CatalogError(f"{what}: {field} is {value!r}; it must be {allowed}")


def _bits(what: str, dtype: str, known: Mapping[str, int]) -> int:
    if dtype not in known:
        raise CatalogError(f"{what} is {dtype!r}{nearest(str(dtype), known)}")
    return known[dtype]
