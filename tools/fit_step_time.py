"""Fit the step-time formulas for GPUs without tables to measured operators, print their errors.

    python tools/fit_step_time.py FOLDER [--write] [--unfitted FILE]

FOLDER as for build_step_tables.py, with the attention files too. Only operators are fitted here, on
H100 and H200 at once; no end-to-end run is read. `--write` stores numbers and errors in
python/kvsim/data/step_time/fit.json, and the attention calls that were used in attention.csv.gz
beside it, so that `kvsim validate step-time` can recompute the errors. The engine's `kernels` step
time has these numbers (a test compares them). The formulas are in docs/step_time.md.

FILE is Vidur's profile of Llama-2-70B's products on A100 (a100_llama2_70b_mlp.csv.gz,
github.com/microsoft/vidur, MIT); of it products_a100-80.csv is written. Nothing is fitted to it.
"""

import argparse
import csv
import gzip
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from build_step_tables import (
    LARGE_ROWS,
    LEAST_SIZE,
    ROWS,
    SYSTEMS,
    Array,
    all_reduce_table,
    gemm_grid,
    read_rows,
    smooth,
)

CATALOG = Path(__file__).parents[1] / "python" / "kvsim" / "data" / "catalog" / "gpus.json"
OUTPUT = Path(__file__).parents[1] / "python" / "kvsim" / "data" / "step_time" / "fit.json"
ATTENTION = OUTPUT.with_name("attention.csv.gz")
UNFITTED = OUTPUT.with_name("products_a100-80.csv")
TILE = 64
FIT_ROWS = 8192  # no step of the default budget has more
FIT_SIZES = (512, 16384)


@dataclass(frozen=True)
class Operator:
    """Columns of one operator: inputs of its formula by name, measured ns, GPU of each row."""

    name: str
    inputs: dict[str, Array]
    ns: Array
    gpu: Array

    def error(self, model: Callable[[dict[str, Array], Array], Array], p: Array) -> Array:
        """Absolute relative error of each row."""
        return cast(Array, np.abs(model(self.inputs, p) / self.ns - 1))


def nelder_mead(f: Callable[[Array], float], start: Array, rounds: int = 4) -> Array:
    """Minimise f near start; restarted from its result, deterministic."""
    best = start
    for _ in range(rounds):
        n = len(best)
        simplex = [best] + [best + np.eye(n)[i] * 0.15 * max(abs(best[i]), 0.05) for i in range(n)]
        points = [(f(x), i, x) for i, x in enumerate(simplex)]
        for count in range(400 * n):
            points.sort(key=lambda point: point[:2])
            if points[-1][0] - points[0][0] < 1e-10:
                break
            centre = np.mean([x for _, _, x in points[:-1]], axis=0)
            worst = points[-1][2]
            trial = centre + (centre - worst)
            value = f(trial)
            if value < points[0][0]:
                further = centre + 2 * (centre - worst)
                if (far := f(further)) < value:
                    trial, value = further, far
            elif value >= points[-2][0]:
                trial = centre + 0.5 * (worst - centre)
                value = f(trial)
                if value >= points[-1][0]:
                    centre = points[0][2]
                    points = [points[0]] + [
                        (f(y := centre + 0.5 * (x - centre)), i, y) for _, i, x in points[1:]
                    ]
                    continue
            points[-1] = (value, n + 1 + count, trial)
        best = min(points, key=lambda point: point[:2])[2]
    return best


# ---- formulas, in ns; parameters are positive and searched in their logarithm


def gemm(x: dict[str, Array], p: Array) -> Array:
    """Launch plus the p-norm of memory and arithmetic time; waves of tiles round up in part."""
    t0, eb, ef, power, wave = p
    memory = (
        (x["nk"] * x["weight_bytes"] + x["mk"] * x["weight_bytes"] + 2 * x["mn"]) / x["bw"] / eb
    )
    arithmetic = 2 * x["tiled_m"] * x["nk"] / x["flops"] / ef
    waves = x["tiles"] / x["sms"]
    rounded = np.ceil(waves) / np.maximum(waves, 1e-9) - 1
    arithmetic = arithmetic * np.where(waves >= 1, 1 + rounded * wave, 1)
    high = np.maximum(memory, arithmetic)
    low = np.minimum(memory, arithmetic) / high
    return cast(Array, t0 + 1e9 * high * (1 + low**power) ** (1 / power))


def decode(x: dict[str, Array], p: Array) -> Array:
    """Launch, plus time a sequence and KV head, plus reading the KV cache.

    8-bit caches are limited by their conversion: bytes a 16-bit FLOP of the peak, in 1/1000.
    """
    t0, per_head, eb, convert = p
    rate = eb * x["bw"]
    rate = np.where(x["kv_bytes"] == 1, np.minimum(rate, 1e-3 * convert * x["flops"]), rate)
    return cast(Array, t0 + per_head * x["batch"] * x["kv_heads"] + 1e9 * x["bytes"] / rate)


def context(x: dict[str, Array], p: Array) -> Array:
    """Launch plus arithmetic, slower where the context is short."""
    t0, ef, short = p
    return cast(Array, t0 + 1e9 * x["flop"] / x["flops"] / ef * (1 + short / x["context"]))


def all_reduce(x: dict[str, Array], p: Array) -> Array:
    """Launch, hops, and the ring's bytes over the link."""
    a0, hop, eb = p
    t = x["gpus"]
    return cast(Array, a0 + hop * t + 1e9 * x["bytes"] * 2 * (t - 1) / t / x["link"] / eb)


# ---- data


def catalog() -> dict[str, dict[str, float]]:
    """Return the GPUs of the packaged catalogue by name."""
    return {gpu["name"]: gpu for gpu in json.loads(CATALOG.read_text(encoding="utf-8"))}


def read_gemm(folder: Path, dtype: str) -> Operator:
    """Read products as build_step_tables packages them, of sizes that models have."""
    columns: dict[str, list[Array]] = {}
    for system, name in SYSTEMS.items():
        times = {
            (int(r["m"]), int(r["n"]), int(r["k"])): float(r["latency"])
            for r in read_rows(folder, system, "gemm")
            if r["gemm_dtype"] == dtype
        }
        sizes = sorted({n for _, n, _ in times if n >= LEAST_SIZE})
        grid = smooth(gemm_grid(times, sizes)) * 1e6
        m, n, k = np.meshgrid(ROWS + LARGE_ROWS, sizes, sizes, indexing="ij")
        low, high = FIT_SIZES
        keep = (m <= FIT_ROWS) & (n >= low) & (k >= low) & (n <= high) & (k <= high)
        m, n, k = (np.asarray(a[keep], float) for a in (m, n, k))
        gpu = catalog()[name]
        one = np.ones_like(m)
        flops = gpu["flops_fp16"] if dtype == "bfloat16" else gpu["flops_fp8"]
        tiled = TILE * np.ceil(m / TILE)
        for key, values in {
            "m": m, "nk": n * k, "mk": m * k, "mn": m * n, "tiled_m": tiled,
            "tiles": tiled / TILE * np.ceil(n / 128),
            "weight_bytes": one * (2 if dtype == "bfloat16" else 1),
            "bw": one * gpu["hbm_bytes_per_s"], "flops": one * flops, "sms": one * gpu["sms"],
            "ns": grid[keep], "gpu": np.full(m.shape, name),
        }.items():  # fmt: skip
            columns.setdefault(key, []).append(values)
    return assemble("gemm " + ("bf16" if dtype == "bfloat16" else dtype), columns)


def assemble(name: str, columns: dict[str, list[Array]]) -> Operator:
    """Join the GPUs' columns."""
    joined = {key: np.concatenate(parts) for key, parts in columns.items()}
    ns, gpu = joined.pop("ns"), joined.pop("gpu")
    return Operator(name, joined, ns, gpu)


def read_decode(folder: Path) -> Operator:
    """Read generation attention: head size 128, grouped queries, contexts of 64 tokens and more.

    The H200 file was measured without splitting a sequence's context over the GPU, which engines
    do: only batches that fill the GPU all the same are used of it.
    """
    columns: dict[str, list[Array]] = {}
    for system, name in SYSTEMS.items():
        rows = [
            r for r in read_rows(folder, system, "generation_attention")
            if r["window_size"] == "0" and r["head_dim"] == "128" and int(r["step"]) >= 63
            and int(r["num_heads"]) >= 2 * int(r["num_key_value_heads"])
            and int(r["batch_size"]) <= 512
            and (name != "h200" or int(r["batch_size"]) * int(r["num_key_value_heads"]) >= 128)
        ]  # fmt: skip
        batch = np.array([float(r["batch_size"]) for r in rows])
        heads = np.array([float(r["num_key_value_heads"]) for r in rows])
        tokens = np.array([float(r["step"]) + 1 for r in rows])
        size = np.array([1.0 if r["kv_cache_dtype"] == "fp8" else 2.0 for r in rows])
        for key, values in {
            "batch": batch, "kv_heads": heads, "tokens": tokens, "kv_bytes": size,
            "bytes": 2 * batch * tokens * heads * 128 * size,
            "bw": np.full(batch.shape, catalog()[name]["hbm_bytes_per_s"]),
            "flops": np.full(batch.shape, catalog()[name]["flops_fp16"]),
            "ns": np.array([float(r["latency"]) * 1e6 for r in rows]),
            "gpu": np.full(batch.shape, name),
        }.items():  # fmt: skip
            columns.setdefault(key, []).append(values)
    return assemble("decode attention", columns)


def read_context(folder: Path) -> Operator:
    """Read context attention of H100; the H200 file has times below the arithmetic's bound."""
    columns: dict[str, list[Array]] = {}
    for system, name in list(SYSTEMS.items())[:1]:
        rows = [
            r for r in read_rows(folder, system, "context_attention")
            if r["window_size"] == "0" and r["head_dim"] == "128"
            and r["kv_cache_dtype"] == "bfloat16" and int(r["isl"]) >= 256
            and int(r["num_heads"]) >= 4 and int(r["batch_size"]) * int(r["isl"]) <= 16384
        ]  # fmt: skip
        batch = np.array([float(r["batch_size"]) for r in rows])
        tokens = np.array([float(r["isl"]) for r in rows])
        heads = np.array([float(r["num_heads"]) for r in rows])
        for key, values in {
            "batch": batch, "heads": heads, "context": tokens,
            "flop": batch * 4 * heads * 128 * tokens**2 / 2,
            "flops": np.full(batch.shape, catalog()[name]["flops_fp16"]),
            "ns": np.array([float(r["latency"]) * 1e6 for r in rows]),
            "gpu": np.full(batch.shape, name),
        }.items():  # fmt: skip
            columns.setdefault(key, []).append(values)
    return assemble("context attention", columns)


def read_all_reduce(folder: Path) -> Operator:
    """Read all-reduces in CUDA graphs."""
    columns: dict[str, list[Array]] = {}
    for system, name in SYSTEMS.items():
        _, table = all_reduce_table(folder, system)
        sizes = np.array(cast(list[float], table["bytes"]), float)
        keep = (sizes >= 4096) & (sizes <= 2**29)
        for gpus in (2, 4, 8):
            one = np.ones(int(keep.sum()))
            for key, values in {
                "gpus": one * gpus, "bytes": sizes[keep],
                "link": one * catalog()[name]["link_bytes_per_s"],
                "ns": np.array(cast(list[float], table[str(gpus)]), float)[keep],
                "gpu": np.full(one.shape, name),
            }.items():  # fmt: skip
                columns.setdefault(key, []).append(values)
    return assemble("all-reduce", columns)


# ---- fit and report

Model = Callable[[dict[str, Array], Array], Array]


def fit(op: Operator, model: Model, start: list[float]) -> Array:
    """Least mean plus median of the absolute log ratio; every parameter stays positive."""

    def loss(logs: Array) -> float:
        error = np.abs(np.log(model(op.inputs, np.exp(logs)) / op.ns))
        return float(np.mean(error) + np.median(error))

    return np.exp(nelder_mead(loss, np.log(np.array(start))))


def report(op: Operator, model: Model, p: Array) -> dict[str, list[float]]:
    """Print and return median and 90th percentile of the error by GPU, in percent."""
    error = 100 * op.error(model, p)
    out = {}
    for gpu in dict.fromkeys(op.gpu.tolist()):
        e = error[op.gpu == gpu]
        out[gpu] = [round(float(np.median(e)), 1), round(float(np.percentile(e, 90)), 1)]
        print(f"{op.name:18} {gpu:9} median {out[gpu][0]:5.1f} %   90 % below {out[gpu][1]:5.1f} %")
    return out


def attention_text(decodes: Operator, contexts: Operator) -> str:
    """Return the attention calls as CSV: what was called, its sizes, ns."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["gpu", "operator", "kv_bytes", "sequences", "heads", "tokens", "ns"])
    for op, heads, tokens in ((decodes, "kv_heads", "tokens"), (contexts, "heads", "context")):
        x = op.inputs
        size = x.get("kv_bytes", np.full(op.ns.shape, 2.0))
        numbers = np.stack([size, x["batch"], x[heads], x[tokens], np.rint(op.ns)], 1)
        for gpu, row in zip(op.gpu.tolist(), numbers.astype(int).tolist(), strict=True):
            writer.writerow([gpu, op.name.replace(" ", "_"), *row])
    return stream.getvalue()


def unfitted_text(file: Path) -> str:
    """Return products of Vidur's profile as CSV: sizes, median ns."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["m", "n", "k", "ns"])
    with gzip.open(file, "rt", newline="") as text:
        rows = list(csv.DictReader(text))
    for row in rows:
        m, t = int(row["num_tokens"]), int(row["num_tensor_parallel_workers"])
        if m not in ROWS:
            continue
        h, wide = int(row["n_embd"]), int(row["n_expanded_embd"])
        heads = int(row["n_head"]) + 2 * int(row["n_kv_head"])
        qkv = heads * (h // int(row["n_head"])) // t
        for name, n, k in (
            ("attn_pre_proj", qkv, h), ("attn_post_proj", h, h // t),
            ("mlp_up_proj", 2 * wide // t, h), ("mlp_down_proj", h, wide // t),
        ):  # fmt: skip
            writer.writerow([m, n, k, round(float(row[f"time_stats.{name}.median"]) * 1e6)])
    return stream.getvalue()


def main() -> None:
    """Fit every operator."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="aiconfigurator's operator files (csv.gz)")
    parser.add_argument("--write", action="store_true", help=f"store {OUTPUT.name}")
    parser.add_argument("--unfitted", type=Path, metavar="FILE", help="Vidur's profile of A100")
    arguments = parser.parse_args()
    if arguments.unfitted is not None:
        UNFITTED.write_text(unfitted_text(arguments.unfitted), encoding="ascii", newline="\n")
    if not arguments.folder.is_dir():
        sys.exit(f"{arguments.folder}: not a folder")
    folder = arguments.folder
    jobs: list[tuple[Operator, Model, list[str], list[float]]] = []
    gemm_names = ["launch_ns", "hbm_efficiency", "flop_efficiency", "overlap_power", "wave_share"]
    for dtype, start in (
        ("bfloat16", [3923, 0.849, 0.789, 3.9, 1e-3]),
        ("fp8", [5754, 1.05, 0.69, 1.3, 0.4]),
    ):
        jobs.append((read_gemm(folder, dtype), gemm, gemm_names, start))
    jobs += [
        (read_decode(folder), decode,
         ["launch_ns", "ns_per_head", "hbm_efficiency", "bytes_8bit_per_kflop"],
         [10220, 16.1, 0.922, 2.8]),
        (read_context(folder), context, ["launch_ns", "flop_efficiency", "short_tokens"],
         [12090, 0.732, 680]),
        (read_all_reduce(folder), all_reduce, ["launch_ns", "hop_ns", "link_efficiency"],
         [4195, 125, 0.643]),
    ]  # fmt: skip
    document: dict[str, object] = {"source": "tools/fit_step_time.py", "operators": {}}
    for op, model, names, start in jobs:
        p = fit(op, model, start)
        values = {name: float(f"{value:.4g}") for name, value in zip(names, p, strict=True)}
        print(op.name, values)
        rounded = np.array(list(values.values()))
        cast(dict[str, object], document["operators"])[op.name] = {
            "values": values,
            "median_and_p90_error_percent": report(op, model, rounded),
        }
    if arguments.write:
        OUTPUT.write_text(json.dumps(document, indent=1) + "\n", encoding="ascii", newline="\n")
        by_name = {job[0].name: job[0] for job in jobs}
        text = attention_text(by_name["decode attention"], by_name["context attention"])
        ATTENTION.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
