"""What takes a GPU's memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KvBudget:
    """How many KV blocks a replica has, and what takes the rest of a GPU's memory.

    The byte figures are per GPU, and 0 if `num_gpu_blocks` was given and no model named.

    Attributes
    ----------
    num_gpu_blocks, usable_blocks, usable_tokens : int
        Blocks; those that requests can have (vLLM keeps one as its null block); their tokens.
    kv_bytes_per_token : float
        Bytes of KV cache a token, a draft model's included.
    memory_bytes : float
        `gpu_memory_utilization` times the GPU's memory; the sum of what follows.
    weight_bytes, draft_weight_bytes, activation_bytes, reserve_bytes, kv_bytes : float
        Weights; those of a draft model; activations of the largest step; context, NCCL and CUDA
        graphs; KV cache.
    """

    num_gpu_blocks: int
    usable_blocks: int
    usable_tokens: int
    kv_bytes_per_token: float
    memory_bytes: float
    weight_bytes: float
    draft_weight_bytes: float
    activation_bytes: float
    reserve_bytes: float
    kv_bytes: float

    def parts_gb(self) -> dict[str, float]:
        """Return what takes a GPU's memory, in GB (10^9 bytes).

        `free` is what `num_gpu_blocks` leaves of the memory that the engine may use; negative if it
        asks for more. `plots.memory` draws it.

        Examples
        --------
        >>> import kvsim
        >>> run = kvsim.simulate({"model": "llama-3-8b", "gpu": "h100-sxm",
        ...                       "workload": {"num_requests": 1}})
        >>> {name: round(gb, 1) for name, gb in run.kv_budget.parts_gb().items()}
        {'weights': 16.1, 'activations': 1.4, 'graphs and NCCL': 0.7, 'KV cache': 58.4, 'free': 0.0}
        """
        drafts = {"draft weights": self.draft_weight_bytes} if self.draft_weight_bytes else {}
        parts = {
            "weights": self.weight_bytes,
            **drafts,
            "activations": self.activation_bytes,
            "graphs and NCCL": self.reserve_bytes,
            "KV cache": self.kv_bytes,
        }
        parts["free"] = self.memory_bytes - sum(parts.values())
        return {name: value / 1e9 for name, value in parts.items()}
