"""`kvsim sharding`: tensor against pipeline parallelism."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import kvsim
from kvsim.cli.options import console, number, parse_values, table
from kvsim.cli.parameters import AsJson


def sharding(
    model: Annotated[str, typer.Argument(help="Model of the catalogue (kvsim catalog models).")],
    *,
    gpus: Annotated[int, typer.Option("--gpus", metavar="N", help="GPUs in all.")] = 8,
    target: Annotated[
        float, typer.Option("--target-ttft-ms", metavar="MS", help="TTFT to reach.")
    ] = 50.0,
    gpu: Annotated[str, typer.Option("--gpu", metavar="NAME", help="GPU.")] = "h100-sxm",
    prompt_tokens: Annotated[
        int, typer.Option("--prompt-tokens", metavar="N", help="Prompt of each request.")
    ] = 1024,
    output_tokens: Annotated[
        int, typer.Option("--output-tokens", metavar="N", help="Output of each request.")
    ] = 256,
    weight_dtype: Annotated[
        str, typer.Option("--weight-dtype", metavar="TYPE", help="bf16, fp8, ...")
    ] = "bf16",
    kv_cache_dtype: Annotated[
        str, typer.Option("--kv-cache-dtype", metavar="TYPE", help="auto (16 bits), fp8, ...")
    ] = "auto",
    node_link: Annotated[
        float | None,
        typer.Option("--node-link-gb-per-s", metavar="GB/S", help="Link between nodes."),
    ] = None,
    node_gpus: Annotated[
        int | None, typer.Option("--node-gpus", metavar="N", help="GPUs of a node.")
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", metavar="PRESET", help="A version of an engine.")
    ] = "vllm-0.33",
    concurrencies: Annotated[
        str, typer.Option("--concurrencies", metavar="N,...", help="Clients of the closed loops.")
    ] = "1,4,16,64,256",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Draw sharding.png there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List all splits of a model over GPUs: latency of one request, throughput, what binds."""
    found = kvsim.sharding(
        model, gpus, target, gpu=gpu, prompt_tokens=prompt_tokens, output_tokens=output_tokens,
        weight_dtype=weight_dtype, kv_cache_dtype=kv_cache_dtype, engine=engine,
        step_time={"kind": "kernels", "node_link_gb_per_s": node_link, "node_gpus": node_gpus},
        concurrencies=parse_values(concurrencies, "--concurrencies"),
    )  # fmt: skip
    if as_json:
        print(json.dumps(found.rows(), indent=2, allow_nan=False))
    else:
        _show(found)
    if out is not None:
        from kvsim import plots

        for file in plots.save(found.plot(), out / "sharding"):
            print(file)


def _show(found: kvsim.Sharding) -> None:
    headers = ["split", "TTFT (ms)", "90 % band", f"{found.target_ttft_ms:g} ms", "TTFT binds"]
    headers += ["TPOT (ms)", "tokens/s", "load binds", "KV room (tokens)"]
    rows = []
    for s in found.splits:
        low, high = s.ttft_band_ms or (None, None)
        band = "-" if low is None else f"{number(low)} to {number(high)}"
        rows.append(
            [s.name, number(s.ttft_ms), band, s.verdict or s.status, s.binds or "-",
             number(s.tpot_ms), number(s.output_throughput), s.binds_under_load or "-",
             number(s.kv_tokens)]
        )  # fmt: skip
    console().print(table(found.title, headers, rows))
    for s in found.splits:
        if s.reason:
            print(f"{s.name}: {s.status}: {s.reason}")
    print(found.weight_gather_text)
    for warning in found.warnings:
        print(f"note: {warning}")
