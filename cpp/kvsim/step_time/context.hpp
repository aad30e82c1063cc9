// What a step-time model may depend on besides its own parameters.
#pragma once

#include <cstdint>

#include "kvsim/scenario/catalog_types.hpp"

namespace kvsim {

struct GpuTables;

struct StepTimeContext {
  const ModelSpec* model = nullptr;  // null if the scenario names none
  const GpuSpec* gpu = nullptr;
  std::int64_t tensor_parallel_size = 1;
  WeightDtype weight_dtype = WeightDtype::bf16;
  KvCacheDtype kv_cache_dtype = KvCacheDtype::automatic;
  std::int64_t max_num_batched_tokens = 0;
  std::int64_t max_num_seqs = 0;
  std::int64_t num_gpu_blocks = 0;
  std::int64_t block_size = 0;
  std::int64_t pipeline_parallel_size = 1;
  bool async_scheduling = false;
  const GpuTables* tables = nullptr;  // measured operators of the GPU; null if there are none
  bool altered_gpu = false;           // one with the name of a measured GPU and other numbers
  // Of the workload, to tell what is extrapolated; 0 if not known.
  std::int64_t longest_prompt = 0;
  std::int64_t longest_context = 0;
  std::int64_t most_requests = 0;  // at once
};

}  // namespace kvsim
