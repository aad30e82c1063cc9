// How many KV blocks a replica has, and what takes the rest of the memory.
#pragma once

#include <cstdint>
#include <string>

#include "kvsim/scenario/scenario.hpp"
#include "kvsim/step_time/shard.hpp"

namespace kvsim {

// What a draft model takes of a GPU's memory; without one nothing.
struct DraftMemory {
  std::string name;
  double weight_bytes = 0;
  double kv_bytes_per_token = 0;
};

// Weights of the fullest stage, a GPU. Without embeddings if another model has them.
[[nodiscard]] double weight_bytes(const ModelSpec& model, const ModelShard& shard,
                                  WeightDtype dtype, std::int64_t stages, bool embeddings = true);

// Per GPU, with pipeline stages one of the fullest stage. With an explicit num_gpu_blocks and no
// model the byte figures are 0.
struct KvBudget {
  std::int64_t num_gpu_blocks = 0;  // vLLM keeps one of them as its null block
  std::int64_t usable_blocks = 0;
  std::int64_t usable_tokens = 0;
  double kv_bytes_per_token = 0;  // of the draft model too
  double memory_bytes = 0;        // gpu_memory_utilization * memory
  double weight_bytes = 0;
  double draft_weight_bytes = 0;
  double activation_bytes = 0;
  double reserve_bytes = 0;  // context, NCCL, CUDA graphs
  double kv_bytes = 0;
};

// Fails with ErrorKind::infeasible and the missing GB if the model does not fit, or if the pool
// cannot hold one request of max_model_len tokens when the engine computes the pool itself.
KvBudget compute_kv_budget(const EngineSpec& engine, const ModelSpec* model, const GpuSpec* gpu,
                           std::int64_t tensor_parallel_size, WeightDtype weight_dtype,
                           KvCacheDtype kv_cache_dtype, std::int64_t pipeline_parallel_size = 1,
                           const DraftMemory& draft = {});

}  // namespace kvsim
