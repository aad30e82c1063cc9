#include "kvsim/server/kv_budget.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "kvsim/core/decimal.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/step_time/shard.hpp"

namespace kvsim {

namespace {

// CUDA context, NCCL buffers and CUDA graphs: estimates that hold for vLLM on recent GPUs.
constexpr double reserve_one_gpu = 0.70e9;
constexpr double reserve_many_gpus = 1.55e9;

// Layers of the stage that has most of them.
std::int64_t stage_layers(const ModelSpec& model, std::int64_t stages) {
  if (stages > model.layers) {
    bad_field("pipeline_parallel_size", std::to_string(stages),
              "1 to " + std::to_string(model.layers) + ", the layers of " + quoted(model.name));
  }
  return (model.layers + stages - 1) / stages;
}

}  // namespace

double weight_bytes(const ModelSpec& model, const ModelShard& shard, WeightDtype dtype,
                    std::int64_t stages, bool embeddings) {
  const double experts = static_cast<double>(model.num_experts) * shard.expert_params;
  const double layer =
      (shard.attention_params + shard.mlp_params + experts) * bytes_per_weight(dtype) +
      shard.router_params * 2;
  // Both embeddings stay in 16 bits; the first stage has the one, the last the other.
  const double embedded =
      stages > 1 ? shard.head_params : shard.head_params + shard.embedding_params;
  return static_cast<double>(stage_layers(model, stages)) * layer + (embeddings ? 2 * embedded : 0);
}

namespace {

// Peak of a step of max_num_batched_tokens, and the sampler's warm-up on float logits.
double activation_bytes(const ModelSpec& model, const ModelShard& shard, const EngineSpec& engine) {
  const auto budget = static_cast<double>(engine.max_num_batched_tokens);
  const auto sampled =
      static_cast<double>(std::min(engine.max_num_seqs, engine.max_num_batched_tokens));
  return budget * (3 * 2 * shard.mlp_width + 12 * static_cast<double>(model.hidden_size)) +
         8 * static_cast<double>(model.vocab_size) * sampled;
}

// Rounded up to 10 MB, so that an error never says that 0 GB are missing.
std::string gb(double bytes) {
  const auto hundredths = static_cast<std::int64_t>(std::ceil(bytes / 1e7));
  const std::string cents = std::to_string(hundredths % 100);
  return std::to_string(hundredths / 100) + "." + (cents.size() < 2 ? "0" : "") + cents;
}

[[noreturn]] void fail_missing(const KvBudget& b, double needed_kv_bytes, const std::string& what,
                               const std::string& model, const std::string& gpu, std::int64_t gpus,
                               const DraftMemory& draft) {
  const std::string drafting =
      draft.name.empty() ? "" : ", those of " + draft.name + " (drafts) " + gb(draft.weight_bytes);
  fail(ErrorKind::infeasible,
       what + ": " + gb(needed_kv_bytes - b.kv_bytes) + " GB a GPU are missing; of " +
           gb(b.memory_bytes) + " GB (gpu_memory_utilization) of " + gpu + ", the weights of " +
           model + " over " + std::to_string(gpus) + " GPU" + (gpus == 1 ? "" : "s") + " take " +
           gb(b.weight_bytes) + drafting + ", activations " + gb(b.activation_bytes) +
           ", the runtime " + gb(b.reserve_bytes));
}

std::int64_t blocks_that_fit(const KvBudget& b, double block_bytes) {
  // A pool beyond any memory comes from an inline GPU with an absurd size.
  const double blocks = std::floor(b.kv_bytes / block_bytes);
  if (blocks > 0x1p30) {
    bad_field("gpu.memory_bytes", decimal_text(b.memory_bytes),
              "memory for at most 2^30 KV blocks");
  }
  return static_cast<std::int64_t>(blocks);
}

}  // namespace

KvBudget compute_kv_budget(const EngineSpec& engine, const ModelSpec* model, const GpuSpec* gpu,
                           std::int64_t tensor_parallel_size, WeightDtype weight_dtype,
                           KvCacheDtype kv_cache_dtype, std::int64_t pipeline_parallel_size,
                           const DraftMemory& draft) {
  KvBudget b;
  const std::int64_t gpus = tensor_parallel_size * pipeline_parallel_size;
  if (!engine.num_gpu_blocks && (model == nullptr || gpu == nullptr)) {
    bad_field(model == nullptr ? "model" : "gpu", "null",
              "one of the catalogue, from which the KV pool is computed, or a value of "
              "engine.num_gpu_blocks");
  }
  if (model != nullptr) {
    check_tensor_parallel(*model, tensor_parallel_size);
    const ModelShard shard(*model, tensor_parallel_size);
    ModelSpec stage = *model;
    stage.layers = stage_layers(*model, pipeline_parallel_size);
    b.kv_bytes_per_token =
        ModelShard::kv_bytes_per_token(stage, tensor_parallel_size, kv_cache_dtype);
    b.weight_bytes = weight_bytes(*model, shard, weight_dtype, pipeline_parallel_size);
    b.activation_bytes = activation_bytes(*model, shard, engine);
    b.reserve_bytes = gpus > 1 ? reserve_many_gpus : reserve_one_gpu;
  }
  if (gpu != nullptr) b.memory_bytes = engine.gpu_memory_utilization * gpu->memory_bytes;

  b.draft_weight_bytes = draft.weight_bytes;
  b.kv_bytes_per_token += draft.kv_bytes_per_token;
  const double block_bytes = b.kv_bytes_per_token * static_cast<double>(engine.block_size);
  if (engine.num_gpu_blocks) {
    b.num_gpu_blocks = *engine.num_gpu_blocks;
    b.kv_bytes = block_bytes * static_cast<double>(b.num_gpu_blocks);
  } else {
    b.kv_bytes = b.memory_bytes - b.weight_bytes - b.draft_weight_bytes - b.activation_bytes -
                 b.reserve_bytes;
    const std::int64_t longest = engine.max_model_len.value_or(model->max_position_embeddings);
    const std::int64_t needed = (longest + engine.block_size - 1) / engine.block_size + 1;
    if (b.kv_bytes < 2 * block_bytes) {
      const bool alone = b.kv_bytes + b.draft_weight_bytes >= 2 * block_bytes;
      fail_missing(
          b, 2 * block_bytes,
          alone ? "the draft model does not fit beside the model" : "the model does not fit",
          model->name, gpu->name, gpus, draft);
    }
    b.num_gpu_blocks = blocks_that_fit(b, block_bytes);
    if (b.num_gpu_blocks < needed) {
      fail_missing(b, block_bytes * static_cast<double>(needed),
                   "the KV cache cannot hold one request of max_model_len = " +
                       std::to_string(longest) + " tokens",
                   model->name, gpu->name, gpus, draft);
    }
  }
  b.usable_blocks = b.num_gpu_blocks - 1;
  b.usable_tokens = b.usable_blocks * engine.block_size;
  return b;
}

}  // namespace kvsim
