"""One load in several kinds of memory and batches: draws the pictures of docs/memory_wall.md.

python examples/memory_wall.py [--out DIR]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt

import kvsim
from kvsim import plots

BASE = kvsim.Scenario(
    engine=kvsim.Engine(
        num_gpu_blocks=401, max_model_len=2048, max_num_seqs=64, enable_prefix_caching=False
    ),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(
        arrivals=kvsim.Burst(),
        lengths=kvsim.LogNormalLengths(
            prompt_mean_tokens=160, output_mean_tokens=340, output_cv=0.9, prompt_max_tokens=900,
            output_max_tokens=1000,
        ),
        num_requests=120,
    ),
    record_memory="heatmap",
)  # fmt: skip
ONE_SIZE = kvsim.ContiguousAllocator(reservation="max")
HALF_KNOWN = kvsim.ContiguousAllocator(reservation="pow2", placement="first_fit")
STATIC = kvsim.StaticBatching()
PICTURES = {
    "kv_memory": {
        "contiguous, 2,048 tokens reserved": {"engine.kv_allocator": ONE_SIZE},
        "pages of 16 tokens": {},
    },
    "kv_batching": {
        "static batches": {"engine.batching": STATIC, "engine.kv_allocator": HALF_KNOWN},
        "iteration-level batches": {"engine.kv_allocator": HALF_KNOWN},
    },
}


def main() -> None:
    """Draw each picture: its cases above one another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"), metavar="DIR")
    out = parser.parse_args().out
    for name, cases in PICTURES.items():
        with plots.style():
            _, axes = plt.subplots(len(cases), 1, figsize=(7.2, 4.8 * len(cases)))
        for ax, (title, changes) in zip(axes, cases.items(), strict=True):
            result = kvsim.simulate(BASE.replace(changes))
            duration = result.summary["duration_s"]
            plots.KVCacheHeatmap(result).plot(ax, title=f"{title}: {duration:.0f} s")
        plots.save(axes[0], out / name)


if __name__ == "__main__":
    main()
