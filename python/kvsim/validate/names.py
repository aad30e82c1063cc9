"""Names of models, GPUs and data types as measurements spell them, in kvsim's words."""

from __future__ import annotations

import re

from kvsim import catalog

# Of GPUs, in lower case, without "nvidia" and what is no letter or digit.
_GPUS = {
    "a100": "a100-80", "a10080gb": "a100-80", "a100sxm": "a100-80", "a100sxm80gb": "a100-80",
    "a100sxm480gb": "a100-80", "a100sxm440gb": "a100-40",
    "h100": "h100-sxm", "h10080gb": "h100-sxm", "h10080gbhbm3": "h100-sxm", "h100sxm5": "h100-sxm",
    "h200sxm": "h200", "h200141gb": "h200", "b200sxm": "b200",
    "geforcertx4090": "rtx-4090", "4090": "rtx-4090",
    "rtxpro6000blackwell": "rtx-pro-6000",
    "rtxpro6000blackwellworkstationedition": "rtx-pro-6000",
    "rtxpro6000blackwellserveredition": "rtx-pro-6000",
    "amdinstinctmi300x": "mi300x", "instinctmi300x": "mi300x",
}  # fmt: skip
_DTYPES = {
    "fp8": "fp8", "fp8_e4m3": "fp8", "bf16": "bf16", "bfloat16": "bf16", "fp16": "fp16",
    "float16": "fp16", "half": "fp16", "int8": "int8", "w8a8": "int8", "int4": "int4",
    "w4a16": "int4", "awq": "int4", "awq_marlin": "int4", "gptq": "int4", "gptq_marlin": "int4",
}  # fmt: skip
_KV_DTYPES = {
    "bfloat16": "bf16", "float16": "fp16", "half": "fp16", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8",
}  # fmt: skip
# What a repository's name adds to the model's; the first group says how weights are stored.
_SUFFIX = (
    r"-instruct|-it|-chat|-hf|-base|-kv|-dynamic|-\d{4}|-v\d+(?:\.\d+)?"
    r"|(?:-quantized)?[-.](?:fp8|awq|gptq|int8|int4|bf16|w8a8|w4a16)"
)


def model_name(name: str) -> str:
    """Return the catalogue's name of a model as its repository spells it.

    Examples
    --------
    >>> model_name("meta-llama/Llama-3.1-70B"), model_name("Qwen/Qwen3-30B-A3B-Instruct-2507")
    ('llama-3.1-70b', 'qwen3-30b-a3b')
    >>> model_name("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic")
    'llama-3.1-8b'
    """
    short = name.strip().rpartition("/")[2].lower()
    known = catalog.models()
    if short in known:
        return short
    short = re.sub(rf"(?:{_SUFFIX})+$", "", short)
    bare = short.removeprefix("meta-")
    return bare if bare in known else short


def stored_dtype(name: str) -> str | None:
    """Return the data type of the weights that a repository's name tells, None if it tells none.

    Examples
    --------
    >>> stored_dtype("Qwen/Qwen3-32B-FP8"), stored_dtype("Qwen/Qwen3-32B-AWQ")
    ('fp8', 'int4')
    >>> stored_dtype("Qwen/Qwen3-32B") is None
    True
    """
    words = re.split(r"[-./]", name.lower())
    return next((_DTYPES[word] for word in words if word in _DTYPES), None)


def gpu_name(name: str) -> str:
    """Return the catalogue's name of a GPU as measurements spell it, else the name as it is.

    Examples
    --------
    >>> gpu_name("h100_sxm"), gpu_name("RTXPRO6000"), gpu_name("h200_sxm"), gpu_name("RTX4090")
    ('h100-sxm', 'rtx-pro-6000', 'h200', 'rtx-4090')
    >>> gpu_name("NVIDIA H100 80GB HBM3"), gpu_name("NVIDIA A100-SXM4-80GB")
    ('h100-sxm', 'a100-80')
    """
    letters = _letters(name).removeprefix("nvidia")
    known = {_letters(known): known for known in catalog.gpus()}
    return known.get(letters) or _GPUS.get(letters) or name.strip()


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def weight_dtype(name: str) -> str:
    """Return kvsim's name of a data type of weights, else the name in lower case.

    Examples
    --------
    >>> weight_dtype("torch.bfloat16"), weight_dtype("awq"), weight_dtype("nvfp4")
    ('bf16', 'int4', 'nvfp4')
    """
    plain = name.strip().lower().removeprefix("torch.")
    return _DTYPES.get(plain, plain)


def kv_cache_dtype(name: str) -> str:
    """Return kvsim's name of a data type of the KV cache, else the name in lower case.

    Examples
    --------
    >>> kv_cache_dtype("fp8_e4m3"), kv_cache_dtype("auto")
    ('fp8', 'auto')
    """
    plain = name.strip().lower().removeprefix("torch.")
    return _KV_DTYPES.get(plain, plain)
