// One GPU's share of a model under tensor parallelism, as vLLM cuts it.
#pragma once

#include <cstdint>
#include <string_view>

#include "kvsim/scenario/catalog_types.hpp"

namespace kvsim {

// Bytes of one weight. 4-bit formats also keep scales and zero points, about 0.02 bytes a weight in
// groups of 128; they are left out.
constexpr double bytes_per_weight(WeightDtype dtype) {
  switch (dtype) {
    case WeightDtype::bf16:
    case WeightDtype::fp16:
      return 2.0;
    case WeightDtype::fp8:
    case WeightDtype::int8:
      return 1.0;
    case WeightDtype::int4:
      return 0.5;
  }
  return 2.0;
}

constexpr double bytes_per_kv_value(KvCacheDtype dtype) {
  return dtype == KvCacheDtype::fp8 ? 1.0 : 2.0;
}

// Parameters (not bytes) are per layer and GPU; doubles, since they only enter products.
struct ModelShard {
  double heads = 0;             // query heads
  double kv_heads = 0;          // at least 1: KV heads are replicated when there are more GPUs
  double qkv_width = 0;         // outputs of the fused QKV projection
  double attention_params = 0;  // QKV and output projections
  double mlp_params = 0;        // dense MLP; 0 with experts
  double expert_params = 0;     // one expert; 0 without
  double router_params = 0;     // replicated, kept in 16 bits
  double mlp_width = 0;         // intermediate width that a token passes through
  double head_params = 0;       // output embedding, once per model
  double embedding_params = 0;  // input embedding, 0 if tied to the output's

  ModelShard(const ModelSpec& model, std::int64_t tensor_parallel_size);

  // KV bytes of a token over all layers.
  [[nodiscard]] static double kv_bytes_per_token(const ModelSpec& model,
                                                 std::int64_t tensor_parallel_size,
                                                 KvCacheDtype dtype);
};

// Fails with ErrorKind::config naming the field, the value and the sizes that are possible unless
// the model can be cut over so many GPUs: heads and MLP width must divide, KV heads divide or be
// divided.
void check_tensor_parallel(const ModelSpec& model, std::int64_t tensor_parallel_size,
                           std::string_view path = "tensor_parallel_size");

}  // namespace kvsim
