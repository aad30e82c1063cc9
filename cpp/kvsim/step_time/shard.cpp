#include "kvsim/step_time/shard.hpp"

#include <algorithm>
#include <string>

#include "kvsim/core/error.hpp"

namespace kvsim {

namespace {
double as_double(std::int64_t value) { return static_cast<double>(value); }

std::int64_t mlp_width(const ModelSpec& m) {
  return m.num_experts > 0 ? m.moe_intermediate_size : m.intermediate_size;
}

bool can_shard(const ModelSpec& m, std::int64_t t) {
  return m.heads % t == 0 && (m.kv_heads % t == 0 || t % m.kv_heads == 0) && mlp_width(m) % t == 0;
}
}  // namespace

ModelShard::ModelShard(const ModelSpec& model, std::int64_t tensor_parallel_size) {
  const double t = as_double(tensor_parallel_size);
  const double h = as_double(model.hidden_size);
  const double hd = as_double(model.head_dim);
  const double matrices = as_double(model.mlp_matrices);
  heads = as_double(model.heads) / t;
  kv_heads = std::max(1.0, as_double(model.kv_heads) / t);
  qkv_width = (heads + 2 * kv_heads) * hd;
  attention_params = h * qkv_width + heads * hd * h;
  if (model.num_experts > 0) {
    expert_params = matrices * h * as_double(model.moe_intermediate_size) / t;
    router_params = h * as_double(model.num_experts);
    mlp_width = as_double(model.experts_per_token * model.moe_intermediate_size) / t;
  } else {
    mlp_params = matrices * h * as_double(model.intermediate_size) / t;
    mlp_width = as_double(model.intermediate_size) / t;
  }
  head_params = as_double(model.vocab_size) * h / t;
  embedding_params = model.tied_embeddings ? 0 : head_params;
}

double ModelShard::kv_bytes_per_token(const ModelSpec& model, std::int64_t tensor_parallel_size,
                                      KvCacheDtype dtype) {
  const double kv_heads =
      std::max(1.0, as_double(model.kv_heads) / as_double(tensor_parallel_size));
  return as_double(model.layers) * 2 * kv_heads * as_double(model.head_dim) *
         bytes_per_kv_value(dtype);
}

void check_tensor_parallel(const ModelSpec& model, std::int64_t tensor_parallel_size,
                           std::string_view path) {
  if (can_shard(model, tensor_parallel_size)) return;
  std::string allowed;
  for (std::int64_t t = 1; t <= model.heads; ++t) {
    if (can_shard(model, t)) allowed += (allowed.empty() ? "" : ", ") + std::to_string(t);
  }
  bad_field(path, std::to_string(tensor_parallel_size),
            allowed + " (" + quoted(model.name) + " has " + std::to_string(model.heads) +
                " heads, " + std::to_string(model.kv_heads) + " KV heads, MLP width " +
                std::to_string(mlp_width(model)) + ")");
}

}  // namespace kvsim
