"""Hugging Face config.json to the fields of `kvsim.catalog.Model`.

Keys and defaults are those of the configuration classes of `transformers`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kvsim._names import nearest
from kvsim.catalog import CatalogError

# Field of Model -> key of config.json, for most architectures.
_KEYS = {
    "layers": "num_hidden_layers",
    "hidden_size": "hidden_size",
    "intermediate_size": "intermediate_size",
    "heads": "num_attention_heads",
    "vocab_size": "vocab_size",
    "max_position_embeddings": "max_position_embeddings",
}
_OPT = _KEYS | {"intermediate_size": "ffn_dim"}
_MIXTRAL = {
    "num_experts": "num_local_experts",
    "experts_per_token": "num_experts_per_tok",
    "moe_intermediate_size": "intermediate_size",
}
_QWEN_MOE = _MIXTRAL | {
    "num_experts": "num_experts",
    "moe_intermediate_size": "moe_intermediate_size",
}


@dataclass(frozen=True)
class _Family:
    """How one `model_type` writes its config."""

    keys: Mapping[str, str] = field(default_factory=lambda: _KEYS)
    experts: Mapping[str, str] = field(default_factory=dict)
    tied: bool = False  # the class's default of tie_word_embeddings
    head_dim: int | None = None  # the class's default; None: hidden_size / heads
    kv_heads: str = "needed"  # num_key_value_heads: "needed", "optional" (else heads), "unknown"
    qk_norm: bool = False
    mlp_matrices: int = 3
    window: str = "sliding_window"  # the key that says whether a sliding window is used


_FAMILIES = {
    "llama": _Family(kv_heads="optional"),
    "mistral": _Family(),
    "mixtral": _Family(experts=_MIXTRAL),
    "qwen2": _Family(window="use_sliding_window"),
    "qwen3": _Family(head_dim=128, qk_norm=True, window="use_sliding_window"),
    "qwen3_moe": _Family(experts=_QWEN_MOE, qk_norm=True, window="use_sliding_window"),
    "gemma2": _Family(tied=True, head_dim=256),
    "phi3": _Family(kv_heads="optional"),
    "opt": _Family(keys=_OPT, tied=True, kv_heads="unknown", mlp_matrices=2),
}


def read(config: str | os.PathLike[str] | Mapping[str, Any], name: str | None) -> dict[str, Any]:
    """Return the arguments of `Model`."""
    if isinstance(config, Mapping):
        values, where, source = config, "config", "Hugging Face config"
    else:
        path = Path(config)
        path = path / "config.json" if path.is_dir() else path
        values, where, source = _load(path), os.fspath(path), f"{path.parent.name}/{path.name}"
        name = name or path.resolve().parent.name
    family = _family(values, where)
    _refuse(values, where)
    fields = _dimensions(values, family, where)
    fields["max_position_embeddings"] = _context(values, fields["max_position_embeddings"], where)
    return fields | {
        "name": name or str(values.get("_name_or_path") or "custom"),
        "tied_embeddings": bool(values.get("tie_word_embeddings", family.tied)),
        "qk_norm": family.qk_norm,
        "mlp_matrices": family.mlp_matrices,
        "source": source,
        "notes": _notes(values, family),
    }


def _load(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise CatalogError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(values, dict):
        raise CatalogError(f"{path}: holds a {type(values).__name__}, not an object")
    return values


def _family(values: Mapping[str, Any], where: str) -> _Family:
    kind = values.get("model_type")
    if kind is None:
        raise CatalogError(f"{where}: there is no 'model_type'; known are {', '.join(_FAMILIES)}")
    if kind not in _FAMILIES:
        usual = (*_KEYS.values(), "num_key_value_heads")
        lacking = [key for key in usual if key not in values]
        lacks = f" Of the usual keys it lacks {', '.join(map(repr, lacking))}." if lacking else ""
        raise CatalogError(
            f"{where}: model_type {kind!r} is not known{nearest(str(kind), _FAMILIES)}.{lacks} "
            "What kvsim would have to know: whether each layer caches full keys and values of "
            "kv_heads * head_dim, and which matrices a layer has. If it is a plain decoder, "
            "make a Model of its numbers"
        )
    return _FAMILIES[kind]


def _dimensions(values: Mapping[str, Any], family: _Family, where: str) -> dict[str, Any]:
    keys = {**family.keys, **family.experts}
    needed = list(keys.values())
    if family.kv_heads == "needed":
        needed.append("num_key_value_heads")
    missing = [key for key in dict.fromkeys(needed) if values.get(key) is None]
    if missing:
        raise CatalogError(
            f"{where}: there is no {', '.join(map(repr, missing))} "
            f"(model_type {values['model_type']!r} needs it)"
        )
    fields = {name: _whole(values, key, where) for name, key in keys.items()}
    heads, hidden = fields["heads"], fields["hidden_size"]
    grouped = family.kv_heads != "unknown" and values.get("num_key_value_heads") is not None
    fields["kv_heads"] = _whole(values, "num_key_value_heads", where) if grouped else heads
    if values.get("head_dim") is not None:
        fields["head_dim"] = _whole(values, "head_dim", where)
    elif family.head_dim is not None:
        fields["head_dim"] = family.head_dim
    elif hidden % heads:
        raise CatalogError(f"{where}: no 'head_dim', and {heads} heads do not divide {hidden}")
    else:
        fields["head_dim"] = hidden // heads
    return fields


def _whole(values: Mapping[str, Any], key: str, where: str) -> int:
    value = values[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CatalogError(f"{where}: {key!r} is {value!r}; it must be a whole number from 1")
    return value


def _refuse(values: Mapping[str, Any], where: str) -> None:
    """Fail for variants whose layers are not all alike, which `Model` cannot say."""
    for key, plain in (
        ("decoder_sparse_step", 1),
        ("mlp_only_layers", []),
        ("word_embed_proj_dim", values.get("hidden_size")),
        ("is_encoder_decoder", False),
    ):
        if values.get(key, plain) not in (plain, None):
            raise CatalogError(
                f"{where}: {key!r} is {values[key]!r}; only {plain!r} can be modelled"
            )


def _context(values: Mapping[str, Any], positions: int, where: str) -> int:
    """Longest context with the RoPE scaling that the config asks for, by vLLM's rule."""
    scaling = values.get("rope_scaling") or values.get("rope_parameters") or {}
    kind = scaling.get("rope_type", scaling.get("type"))
    if kind not in ("linear", "dynamic", "yarn"):  # llama3, longrope: positions are scaled already
        return positions
    factor = scaling.get("factor")
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 <= factor < 1e6:
        raise CatalogError(f"{where}: rope_scaling has factor {factor!r}; it must be at least 1")
    if kind == "yarn":
        positions = scaling.get("original_max_position_embeddings") or positions
    return int(positions * factor)


def _notes(values: Mapping[str, Any], family: _Family) -> str:
    notes = []
    if values.get(family.window):
        notes.append(
            f"Sliding window of {values.get('sliding_window')} tokens taken as full attention: "
            "KV memory beyond it is an upper bound."
        )
    if quantised := values.get("quantization_config"):
        method = quantised.get("quant_method", "unknown method")
        notes.append(f"The checkpoint is quantised ({method}): set weight_dtype to match.")
    return " ".join(notes)
