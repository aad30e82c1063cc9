"""The catalogue of models and GPUs, and models from Hugging Face configs."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from kvsim import catalog
from kvsim.catalog import CatalogError, Gpu, Model

# Weights of the published checkpoints (total of the safetensors index; OPT: the names' figures of
# the paper, and the count of the 13B checkpoint, which is 1.1 % below its name).
PUBLISHED = {
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3-405b": 405_853_388_800,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.3-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "codellama-34b": 33_743_970_304,
    "mistral-7b": 7_248_023_552,
    "mixtral-8x7b": 46_702_792_704,
    "mixtral-8x22b": 140_630_071_296,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "qwen3-14b": 14_768_307_200,
    "qwen3-32b": 32_762_123_264,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-235b-a22b": 235_093_634_560,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-14b": 14_770_033_664,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "gemma-2-9b": 9_241_705_984,
    "gemma-2-27b": 27_227_128_320,
    "phi-4": 14_659_507_200,
    "yi-34b": 34_388_917_248,
    "opt-13b": 12_853_473_280,
    "opt-66b": 66_000_000_000,
    "opt-175b": 175_000_000_000,
    "bloom-176b": 176_247_271_424,
}
LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
    "rope_scaling": None,
}


def same_shape(a: Model, b: Model) -> bool:
    plain = {"name": "", "source": "", "notes": ""}
    return dataclasses.replace(a, **plain) == dataclasses.replace(b, **plain)


def test_every_model_has_a_published_count() -> None:
    assert set(catalog.models()) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_published(name: str) -> None:
    model = catalog.model(name)
    assert model.parameters == pytest.approx(PUBLISHED[name], rel=0.01)
    # The shape explains the count exactly; only these have what `parameters` leaves out.
    biases = {
        "qwen2.5": model.layers * (model.heads + 2 * model.kv_heads) * model.head_dim,
        "gemma-2": model.layers * 2 * model.hidden_size,  # two more norms a layer
    }
    extra = next((v for k, v in biases.items() if name.startswith(k)), 0)
    if not name.startswith(("opt", "bloom")):
        assert model.parameters + extra == PUBLISHED[name]


@pytest.mark.parametrize("name", catalog.models())
def test_models_are_consistent(name: str) -> None:
    model = catalog.model(name)
    assert model.name == name == name.lower()
    assert " " not in name
    assert len(model.source) > 10
    assert len(model.notes) > 10
    if not name.startswith(("gemma", "qwen3")):
        assert model.heads * model.head_dim == model.hidden_size
    assert Model.from_dict(json.loads(json.dumps(model.to_dict()))) == model


def test_kv_bytes_per_token() -> None:
    model = catalog.model("llama-3-70b")
    assert model.kv_bytes_per_token() == model.kv_bytes_per_token("bf16") == 327_680
    assert model.kv_bytes_per_token("fp8") == 163_840
    assert catalog.model("opt-13b").kv_bytes_per_token() == 819_200  # vLLM paper, section 3
    with pytest.raises(CatalogError, match=r"kv_cache_dtype is 'fp4'.*'fp8'"):
        model.kv_bytes_per_token("fp4")


def test_weight_bytes() -> None:
    model = catalog.model("llama-3-70b")
    assert model.weight_bytes() == model.weight_bytes("fp16") == 2 * model.parameters
    embeddings = 2 * 128_256 * 8192
    norms = (2 * 80 + 1) * 8192
    matrices = model.parameters - embeddings - norms
    assert model.weight_bytes("fp8") == matrices + 2 * (embeddings + norms)
    assert model.weight_bytes("int8") == model.weight_bytes("fp8")
    assert model.weight_bytes("int4") == matrices // 2 + 2 * (embeddings + norms)
    with pytest.raises(CatalogError, match="weight_dtype is 'float16'"):
        model.weight_bytes("float16")


# Gigabytes, GB/s of memory, dense FP16 TFLOP/s, GB/s of the link a direction: the data sheets.
SHEETS = {
    "a100-40": (40, 1555, 312, 300),
    "a100-80": (80, 2039, 312, 300),
    "h100-sxm": (80, 3350, 989.4, 450),
    "h100-pcie": (80, 2039, 756, 64),
    "h200": (141, 4800, 989.4, 450),
    "b200": (180, 8000, 2250, 900),
    "l4": (24, 300, 121, 32),
    "l40s": (48, 864, 362.05, 32),
    "rtx-4090": (24, 1008, 165.2, 32),
    "rtx-pro-6000": (96, 1792, 503.8, 64),
    "mi300x": (192, 5300, 1307.4, 448),
}


def test_gpus_are_those_of_the_data_sheets() -> None:
    assert set(catalog.gpus()) == set(SHEETS)
    for name, (memory_gb, hbm, flops, link) in SHEETS.items():
        gpu = catalog.gpu(name)
        assert gpu.memory_gb == memory_gb
        assert gpu.hbm_bytes_per_s == pytest.approx(hbm * 1e9)
        assert gpu.flops_fp16 == pytest.approx(flops * 1e12)
        assert gpu.link_bytes_per_s == pytest.approx(link * 1e9)


@pytest.mark.parametrize("name", SHEETS)
def test_gpus_are_consistent(name: str) -> None:
    gpu = catalog.gpu(name)
    assert gpu.name == name == name.lower()
    assert len(gpu.source) > 10
    assert "idle_w is assumed" in gpu.notes
    # Twice the rate at half the width, dense: a sparse figure would show as a factor of 4.
    for rate in (gpu.flops_fp8, gpu.flops_int8):
        assert rate is None or 1.9 < rate / gpu.flops_fp16 < 2.1 or name == "rtx-4090"
    assert (gpu.flops_fp8 is None) == ("fp8" not in gpu.dtypes) == name.startswith("a100")
    # A card of N GB may have N GiB on it; what is visible lies between 90 % and 100 % of that.
    assert 0.9 < gpu.memory_bytes / (gpu.memory_gb * 2**30) < 1
    assert (gpu.link == "pcie") == (gpu.link_bytes_per_s == gpu.pcie_bytes_per_s)
    assert Gpu.from_dict(json.loads(json.dumps(gpu.to_dict()))) == gpu
    assert hash(gpu) == hash(Gpu.from_dict(gpu.to_dict()))


def test_memory_that_was_measured() -> None:
    measured = {
        "h100-sxm": 85.03e9,
        "h200": 150.1e9,
        "rtx-4090": 25.2506e9,
        "rtx-pro-6000": 101.9e9,
    }
    for name, memory_bytes in measured.items():
        assert catalog.gpu(name).memory_bytes == memory_bytes


def test_lookups_suggest_the_nearest() -> None:
    with pytest.raises(
        CatalogError, match="model 'llama3-70b' is not in the catalogue; did you mean"
    ):
        catalog.model("llama3-70b")
    with pytest.raises(CatalogError, match=r"gpu 'H100_SXM' .*did you mean 'h100-sxm'"):
        catalog.gpu("H100_SXM")
    with pytest.raises(TypeError):
        catalog.gpus()["mine"] = catalog.gpu("l4")  # type: ignore[index]


def test_fields_are_checked() -> None:
    good = catalog.model("llama-3-8b")
    for changed, message in (
        ({"layers": 0}, "layers is 0; it must be at least 1"),
        ({"kv_heads": 3}, "kv_heads is 3; it must be a divisor of heads=32"),
        ({"layers": 32.0}, "layers is 32.0; it must be of type int"),
        ({"layers": True}, "layers is True; it must be of type int"),
        ({"tied_embeddings": 1}, "tied_embeddings is 1; it must be of type bool"),
        ({"mlp_matrices": 4}, "mlp_matrices is 4; it must be 2 or 3"),
        ({"num_experts": -1}, "num_experts is -1"),
        ({"num_experts": 8}, r"experts_per_token is 0; it must be in 1\.\.8"),
        ({"num_experts": 8, "experts_per_token": 2}, "moe_intermediate_size is 0"),
        ({"experts_per_token": 2}, "experts_per_token is 2; it must be 0 for a dense model"),
    ):
        with pytest.raises(CatalogError, match=message):
            dataclasses.replace(good, **changed)  # type: ignore[arg-type]
    gpu = catalog.gpu("l4")
    for wrong, message in (
        ({"hbm_bytes_per_s": 0.0}, "hbm_bytes_per_s is 0.0; it must be positive and finite"),
        ({"flops_fp16": float("nan")}, "flops_fp16 is nan"),
        ({"flops_fp8": float("inf")}, "flops_fp8 is inf"),
        ({"flops_fp8": "fast"}, "flops_fp8 is 'fast'"),
        ({"idle_w": 100.0}, r"idle_w is 100.0; it must be in 0\.\.tdp_w=72"),
        ({"link": "infiniband"}, "link is 'infiniband'; it must be one of nvlink, xgmi, pcie"),
        ({"dtypes": ("fp4",)}, r"dtypes is \('fp4',\); it must be out of bf16"),
        ({"dtypes": ()}, "dtypes"),
        ({"node_gpus": 0}, "node_gpus"),
    ):
        with pytest.raises(CatalogError, match=message):
            dataclasses.replace(gpu, **wrong)  # type: ignore[arg-type]


def test_from_dict_knows_its_fields() -> None:
    fields = catalog.model("llama-3-8b").to_dict()
    with pytest.raises(CatalogError, match="no field 'layer'; did you mean 'layers'"):
        Model.from_dict({**fields, "layer": 3})
    del fields["heads"]
    with pytest.raises(CatalogError, match="the field 'heads' is missing"):
        Model.from_dict(fields)


# ---- Hugging Face configs, as published ----

CONFIGS: dict[str, dict[str, Any]] = {
    "llama-3-8b": LLAMA,
    "llama-2-7b": {
        **LLAMA, "intermediate_size": 11008, "num_key_value_heads": None, "vocab_size": 32000,
        "max_position_embeddings": 4096,
    },
    "llama-3.2-1b": {
        **LLAMA, "num_hidden_layers": 16, "hidden_size": 2048, "intermediate_size": 8192,
        "head_dim": 64, "max_position_embeddings": 131072, "tie_word_embeddings": True,
        "rope_scaling": {"factor": 32.0, "rope_type": "llama3",
                         "original_max_position_embeddings": 8192},
    },
    "mistral-7b": {
        "model_type": "mistral", "num_hidden_layers": 32, "hidden_size": 4096,
        "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
        "vocab_size": 32768, "max_position_embeddings": 32768, "sliding_window": None,
        "tie_word_embeddings": False,
    },
    "mixtral-8x7b": {
        "model_type": "mixtral", "num_hidden_layers": 32, "hidden_size": 4096,
        "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
        "vocab_size": 32000, "max_position_embeddings": 32768, "num_local_experts": 8,
        "num_experts_per_tok": 2, "sliding_window": None, "tie_word_embeddings": False,
    },
    "qwen2.5-7b": {
        "model_type": "qwen2", "num_hidden_layers": 28, "hidden_size": 3584,
        "intermediate_size": 18944, "num_attention_heads": 28, "num_key_value_heads": 4,
        "vocab_size": 152064, "max_position_embeddings": 131072, "sliding_window": 131072,
        "use_sliding_window": False, "tie_word_embeddings": False,
    },
    "qwen3-32b": {
        "model_type": "qwen3", "num_hidden_layers": 64, "hidden_size": 5120, "head_dim": 128,
        "intermediate_size": 25600, "num_attention_heads": 64, "num_key_value_heads": 8,
        "vocab_size": 151936, "max_position_embeddings": 40960, "tie_word_embeddings": False,
    },
    "qwen3-30b-a3b": {
        "model_type": "qwen3_moe", "num_hidden_layers": 48, "hidden_size": 2048, "head_dim": 128,
        "intermediate_size": 6144, "moe_intermediate_size": 768, "num_attention_heads": 32,
        "num_key_value_heads": 4, "num_experts": 128, "num_experts_per_tok": 8,
        "decoder_sparse_step": 1, "mlp_only_layers": [], "vocab_size": 151936,
        "max_position_embeddings": 40960, "tie_word_embeddings": False,
    },
    "gemma-2-9b": {
        "model_type": "gemma2", "num_hidden_layers": 42, "hidden_size": 3584, "head_dim": 256,
        "intermediate_size": 14336, "num_attention_heads": 16, "num_key_value_heads": 8,
        "vocab_size": 256000, "max_position_embeddings": 8192, "sliding_window": 4096,
    },
    "phi-4": {
        "model_type": "phi3", "num_hidden_layers": 40, "hidden_size": 5120,
        "intermediate_size": 17920, "num_attention_heads": 40, "num_key_value_heads": 10,
        "vocab_size": 100352, "max_position_embeddings": 16384, "sliding_window": None,
        "tie_word_embeddings": False,
    },
    "opt-13b": {
        "model_type": "opt", "num_hidden_layers": 40, "hidden_size": 5120, "ffn_dim": 20480,
        "num_attention_heads": 40, "vocab_size": 50272, "max_position_embeddings": 2048,
        "word_embed_proj_dim": 5120,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_hf_config_gives_the_catalogue_entry(name: str, tmp_path: Path) -> None:
    model = Model.from_hf_config(CONFIGS[name], name)
    assert same_shape(model, catalog.model(name))
    folder = tmp_path / "some-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIGS[name]))
    for path in (folder, folder / "config.json", str(folder)):
        read = Model.from_hf_config(path)
        assert same_shape(read, model)
        assert read.name == "some-model"
        assert read.source == "some-model/config.json"


def test_name_of_an_hf_config() -> None:
    assert Model.from_hf_config(LLAMA).name == "custom"
    assert Model.from_hf_config({**LLAMA, "_name_or_path": "meta/x"}).name == "meta/x"
    assert Model.from_hf_config({**LLAMA, "_name_or_path": "meta/x"}, "mine").name == "mine"


def test_notes_say_what_is_not_modelled() -> None:
    assert "Sliding window of 4096" in Model.from_hf_config(CONFIGS["gemma-2-9b"]).notes
    assert Model.from_hf_config(CONFIGS["qwen2.5-7b"]).notes == ""
    windowed = {**CONFIGS["qwen2.5-7b"], "use_sliding_window": True}
    assert "Sliding window of 131072" in Model.from_hf_config(windowed).notes
    quantised = {**LLAMA, "quantization_config": {"quant_method": "fp8"}}
    assert "quantised (fp8)" in Model.from_hf_config(quantised).notes


@pytest.mark.parametrize(
    ("scaling", "context"),
    [
        ({"type": "linear", "factor": 4.0}, 32768),
        ({"rope_type": "dynamic", "factor": 2}, 16384),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}, 16384),
        ({"rope_type": "llama3", "factor": 8.0}, 8192),
        ({"rope_type": "default"}, 8192),
    ],
)
def test_context_with_rope_scaling(scaling: dict[str, Any], context: int) -> None:
    for key in ("rope_scaling", "rope_parameters"):
        model = Model.from_hf_config({**LLAMA, key: scaling})
        assert model.max_position_embeddings == context


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_type": "deepseek_v3"}, "'deepseek_v3' is not known.*Known: 'llama'"),
        ({"model_type": "qwen4"}, "did you mean 'qwen"),
        ({"model_type": "gpt2", "num_hidden_layers": None}, "What kvsim would have to know"),
        ({"model_type": None}, "there is no 'model_type'"),
        ({"num_hidden_layers": None}, r"there is no 'num_hidden_layers' \(model_type 'llama'"),
        ({"model_type": "mistral", "num_key_value_heads": None}, "no 'num_key_value_heads'"),
        ({"model_type": "mixtral"}, "no 'num_local_experts', 'num_experts_per_tok'"),
        ({"hidden_size": "4096"}, "'hidden_size' is '4096'; it must be a whole number"),
        ({"vocab_size": 0}, "'vocab_size' is 0"),
        ({"num_attention_heads": True}, "'num_attention_heads' is True"),
        ({"hidden_size": 4095}, "no 'head_dim', and 32 heads do not divide 4095"),
        ({"num_key_value_heads": 5}, "kv_heads is 5; it must be a divisor of heads=32"),
        ({"decoder_sparse_step": 2}, "'decoder_sparse_step' is 2; only 1 can be modelled"),
        ({"mlp_only_layers": [0]}, r"'mlp_only_layers' is \[0\]"),
        ({"is_encoder_decoder": True}, "'is_encoder_decoder' is True"),
        ({"rope_scaling": {"type": "yarn"}}, "factor None"),
    ],
)
def test_bad_hf_configs(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        Model.from_hf_config({**LLAMA, **changed})


def test_unknown_architecture_names_what_is_missing() -> None:
    config = {"model_type": "gpt2", "n_layer": 12, "vocab_size": 50257}
    with pytest.raises(CatalogError, match="lacks 'num_hidden_layers', 'hidden_size'"):
        Model.from_hf_config(config)


def test_unreadable_hf_configs(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(LLAMA)[:50])
    with pytest.raises(CatalogError, match=r"config\.json: not valid JSON"):
        Model.from_hf_config(file)
    file.write_text("[]")
    with pytest.raises(CatalogError, match="holds a list, not an object"):
        Model.from_hf_config(file)
    with pytest.raises(FileNotFoundError):
        Model.from_hf_config(tmp_path / "none")
