"""The same requests in contiguous memory and in pages: draws docs/images/kv_memory.png.

python examples/memory_wall.py [FILE]
"""

import sys

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
ALLOCATORS = {
    "contiguous, 2,048 tokens reserved": kvsim.ContiguousAllocator(reservation="max"),
    "pages of 16 tokens": kvsim.PagedAllocator(),
}


def main(file: str) -> None:
    """Draw both pictures above one another."""
    with plots.style():
        _, pair = plt.subplots(2, 1, figsize=(7.2, 9.6))
    for ax, (title, allocator) in zip(pair, ALLOCATORS.items(), strict=True):
        result = kvsim.simulate(BASE.replace({"engine.kv_allocator": allocator}))
        duration = result.summary["duration_s"]
        plots.KVCacheHeatmap(result).plot(ax, title=f"{title}: {duration:.0f} s")
    plots.save(pair[0], file.removesuffix(".png"))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/images/kv_memory.png")
