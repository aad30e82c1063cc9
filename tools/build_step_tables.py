"""Write python/kvsim/data/step_time from aiconfigurator's measured operators.

    python tools/build_step_tables.py FOLDER

FOLDER holds the files of aiconfigurator's database (github.com/ai-dynamo/aiconfigurator,
Apache-2.0) for vLLM 0.19 on H100 SXM and H200 SXM, named `<system>__gemm__...gemm_perf.csv.gz` and
`<system>__comm__vllm...custom_allreduce_perf.csv.gz`. They are not packaged. The output is the same
bytes whenever it is run on the same files.

What is kept of 36,000 products per data type, and what is done to it:

* 21 sizes of m, 20 of n and of k (n, k >= 128). Times are stored as round(2048 log2(t in ns)) in
  16 bits, .02 % at most from the measurement.
* Sizes of m that no tile divides (17, 257, 1025, ...) are left out: for FP8 the database has them
  up to twice as slow as the next tile size, which end-to-end runs do not show.
* A product of fewer rows is never slower than one of more rows: each time is lowered to the least
  one of a larger m. That removes the noise of single measurements (some 4 % where m is small).
* Above 4,096 rows a time is at least in proportion to that of 4,096: on H100 the database has FP8
  products of 8,192 rows 15 % faster a row than those of 1,024 to 4,352 rows, on H200 it has not.
"""

import argparse
import base64
import csv
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

OUTPUT = Path(__file__).parents[1] / "python" / "kvsim" / "data" / "step_time"
SYSTEMS = {"h100_sxm": "h100-sxm", "h200_sxm": "h200"}
ROWS = [1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 512, 768, 1024, 1536, 2048, 3072, 4096]
LARGE_ROWS = [8192, 16384]
LEAST_SIZE = 128
DTYPES = {"bfloat16": "bf16", "fp8": "fp8"}
STEPS_PER_OCTAVE = 2048
SOURCE = (
    "aiconfigurator (NVIDIA, github.com/ai-dynamo/aiconfigurator, Apache-2.0), operators of vLLM "
    "0.19.0 measured on {device}: gemm_perf and custom_allreduce_perf (CUDA graph)"
)

Array = npt.NDArray[np.float64]
Row = dict[str, str]


def read_rows(folder: Path, system: str, kind: str) -> Iterator[Row]:
    """Yield the rows of the one file of a system and a kind."""
    names = sorted(folder.glob(f"{system}__*{kind}_perf.csv.gz"))
    if len(names) != 1:
        sys.exit(
            f"{folder}: {len(names)} files {system}__*{kind}_perf.csv.gz; allowed: exactly one"
        )
    with gzip.open(names[0], "rt", newline="") as file:
        yield from csv.DictReader(file)


def gemm_grid(times: dict[tuple[int, int, int], float], sizes: list[int]) -> Array:
    """Return milliseconds [m, n, k]; the corner that was not measured continues its neighbours."""
    rows = ROWS + LARGE_ROWS
    grid = np.full((len(rows), len(sizes), len(sizes)), np.nan)
    for i, m in enumerate(rows):
        for j, n in enumerate(sizes):
            for k, depth in enumerate(sizes):
                grid[i, j, k] = times.get((m, n, depth), np.nan)
    corner = np.isnan(grid[:, -1, -1])
    grid[corner, -1, -1] = (grid[:, -1, -2] * grid[:, -2, -1] / grid[:, -2, -2])[corner]
    if np.isnan(grid).any():
        m, n, k = np.argwhere(np.isnan(grid))[0]
        sys.exit(f"gemm: no time for m={rows[m]} n={sizes[n]} k={sizes[k]}; allowed: a full grid")
    return grid


def smooth(grid: Array) -> Array:
    """Apply the module's third and fourth rule."""
    out = np.minimum.accumulate(grid[::-1], axis=0)[::-1].copy()
    last = ROWS.index(4096)
    for i, m in enumerate(LARGE_ROWS, start=last + 1):
        out[i] = np.maximum(out[i], out[last] * (m / 4096))
    return out


def encode(grid: Array) -> str:
    """Return base64 of little-endian 16-bit round(2048 log2(ns)), in order m, n, k."""
    words = np.rint(STEPS_PER_OCTAVE * np.log2(grid * 1e6))
    if words.min() < 0 or words.max() > np.iinfo(np.uint16).max:
        sys.exit("gemm: a time outside 1 ns to 4 s")
    return base64.b64encode(words.astype("<u2").tobytes()).decode()


def gemm_tables(folder: Path, system: str) -> dict[str, object]:
    """Return one table a data type."""
    times: dict[str, dict[tuple[int, int, int], float]] = {name: {} for name in DTYPES}
    for row in read_rows(folder, system, "gemm"):
        if row["gemm_dtype"] in times:
            key = (int(row["m"]), int(row["n"]), int(row["k"]))
            times[row["gemm_dtype"]][key] = float(row["latency"])
    tables: dict[str, object] = {}
    for name, dtype in DTYPES.items():
        sizes = sorted({n for _, n, _ in times[name] if n >= LEAST_SIZE})
        grid = smooth(gemm_grid(times[name], sizes))
        tables[dtype] = {
            "m": ROWS + LARGE_ROWS,
            "n": sizes,
            "k": sizes,
            "log2_ns": encode(grid),
        }
    return tables


def all_reduce_table(folder: Path, system: str) -> tuple[str, dict[str, object]]:
    """Return the device name, and times in ns by bytes and number of GPUs."""
    times: dict[int, dict[int, float]] = {}
    device = ""
    for row in read_rows(folder, system, "custom_allreduce"):
        device = row["device"]
        if row["backend"] == "vllm_graph":
            # The database counts 16-bit elements.
            size = 2 * int(row["message_size"])
            times.setdefault(int(row["num_gpus"]), {})[size] = float(row["latency"])
    sizes = sorted(next(iter(times.values())))
    table: dict[str, object] = {"bytes": sizes}
    for gpus, column in sorted(times.items()):
        ns = np.array([column[size] * 1e6 for size in sizes])
        # As for products: less data is not slower.
        table[str(gpus)] = [round(x) for x in np.minimum.accumulate(ns[::-1])[::-1]]
    return device, table


def text_of(folder: Path, system: str) -> str:
    """Return the packaged file of one GPU."""
    device, all_reduce = all_reduce_table(folder, system)
    document = {
        "format": "kvsim-step-time-1",
        "gpu": SYSTEMS[system],
        "source": SOURCE.format(device=device),
        "license": "Apache-2.0",
        "log2_steps_per_octave": STEPS_PER_OCTAVE,
        "gemm": gemm_tables(folder, system),
        "all_reduce": all_reduce,
    }
    return json.dumps(document, indent=1, separators=(",", ":")).replace(",\n   ", ",") + "\n"


def main() -> None:
    """Write every GPU's file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="aiconfigurator's operator files (csv.gz)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the tables go")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for system, gpu in SYSTEMS.items():
        path = arguments.output / f"{gpu}.json"
        path.write_text(text_of(arguments.folder, system), encoding="ascii", newline="\n")
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
