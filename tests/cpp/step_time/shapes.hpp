// A model, a GPU and contexts for tests of step times and memory.
#pragma once

#include "kvsim/scenario/catalog_types.hpp"
#include "kvsim/step_time/context.hpp"

namespace kvsim_test {

inline kvsim::ModelSpec llama_70b() {
  kvsim::ModelSpec m;
  m.name = "llama-70b";
  m.layers = 80;
  m.hidden_size = 8192;
  m.intermediate_size = 28672;
  m.heads = 64;
  m.kv_heads = 8;
  m.head_dim = 128;
  m.vocab_size = 128256;
  m.max_position_embeddings = 8192;
  return m;
}

// Mixtral-8x7B's sizes.
inline kvsim::ModelSpec mixtral() {
  kvsim::ModelSpec m;
  m.name = "mixtral";
  m.layers = 32;
  m.hidden_size = 4096;
  m.intermediate_size = 14336;
  m.heads = 32;
  m.kv_heads = 8;
  m.head_dim = 128;
  m.vocab_size = 32000;
  m.max_position_embeddings = 32768;
  m.num_experts = 8;
  m.experts_per_token = 2;
  m.moe_intermediate_size = 14336;
  return m;
}

inline kvsim::GpuSpec h100() {
  kvsim::GpuSpec g;
  g.name = "h100";
  g.memory_bytes = 85.03e9;
  g.hbm_bytes_per_s = 3.35e12;
  g.flops_fp16 = 989.4e12;
  g.flops_fp8 = 1978.9e12;
  g.flops_int8 = 1978.9e12;
  g.sms = 132;
  g.link_bytes_per_s = 450e9;
  g.pcie_bytes_per_s = 64e9;
  g.dtypes = {"bf16", "fp16", "fp8", "int8"};
  return g;
}

inline kvsim::StepTimeContext context_of(const kvsim::ModelSpec& model, const kvsim::GpuSpec& gpu,
                                         std::int64_t tensor_parallel_size,
                                         kvsim::WeightDtype dtype) {
  kvsim::StepTimeContext c;
  c.model = &model;
  c.gpu = &gpu;
  c.tensor_parallel_size = tensor_parallel_size;
  c.weight_dtype = dtype;
  c.max_num_batched_tokens = 8192;
  c.max_num_seqs = 256;
  c.num_gpu_blocks = 10000;
  c.block_size = 16;
  return c;
}

}  // namespace kvsim_test
