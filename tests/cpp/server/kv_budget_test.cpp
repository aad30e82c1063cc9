#include "kvsim/server/kv_budget.hpp"

#include <cmath>

#include "check.hpp"
#include "kvsim/core/error.hpp"
#include "step_time/shapes.hpp"

using kvsim::compute_kv_budget;
using kvsim::EngineSpec;
using kvsim::KvBudget;
using kvsim::KvCacheDtype;
using kvsim::WeightDtype;
using kvsim_test::h100;
using kvsim_test::llama_70b;

namespace {
constexpr auto automatic = KvCacheDtype::automatic;
}

TEST(kv_budget, llama_70b_on_8_h100_by_hand) {
  const auto model = llama_70b();
  const auto gpu = h100();
  const EngineSpec engine;
  const KvBudget b = compute_kv_budget(engine, &model, &gpu, 8, WeightDtype::bf16, automatic);
  // 70.55e9 parameters in 2 bytes over 8 GPUs.
  CHECK_NEAR(b.weight_bytes, 70'552'387'584.0 * 2 / 8, 1e6);
  CHECK_NEAR(b.activation_bytes, 8192.0 * (6 * 3584 + 12 * 8192) + 8.0 * 128256 * 256, 1);
  CHECK_NEAR(b.reserve_bytes, 1.55e9, 0);
  CHECK_NEAR(b.memory_bytes, 0.9 * 85.03e9, 1);
  // One of the 8 KV heads a GPU: an eighth of 327,680 bytes.
  CHECK_NEAR(b.kv_bytes_per_token, 40960, 0);
  const double kv = b.memory_bytes - b.weight_bytes - b.activation_bytes - b.reserve_bytes;
  CHECK_NEAR(b.kv_bytes, kv, 1);
  CHECK_EQ(b.num_gpu_blocks, static_cast<std::int64_t>(std::floor(kv / (16 * 40960))));
  CHECK_EQ(b.usable_blocks, b.num_gpu_blocks - 1);
  CHECK_EQ(b.usable_tokens, 16 * b.usable_blocks);
}

TEST(kv_budget, fp8_cache_halves_the_bytes_of_a_token) {
  const auto model = llama_70b();
  const auto gpu = h100();
  const KvBudget b = compute_kv_budget({}, &model, &gpu, 4, WeightDtype::fp8, KvCacheDtype::fp8);
  CHECK_NEAR(b.kv_bytes_per_token, 327680.0 / 4 / 2, 0);
  CHECK_NEAR(b.weight_bytes * 4, 68.45e9 + 2 * 2 * 128256.0 * 8192, 0.02e9);
}

TEST(kv_budget, int4_weights_take_half_a_byte) {
  const auto model = llama_70b();
  const auto gpu = h100();
  const KvBudget b = compute_kv_budget({}, &model, &gpu, 1, WeightDtype::int4, automatic);
  CHECK_NEAR(b.weight_bytes, 68.45e9 / 2 + 2 * 2 * 128256.0 * 8192, 0.02e9);
}

TEST(kv_budget, kv_heads_are_replicated_beyond_their_number) {
  auto model = llama_70b();
  auto gpu = h100();
  gpu.node_gpus = 16;
  const KvBudget b8 = compute_kv_budget({}, &model, &gpu, 8, WeightDtype::bf16, automatic);
  const KvBudget b16 = compute_kv_budget({}, &model, &gpu, 16, WeightDtype::bf16, automatic);
  CHECK_NEAR(b16.kv_bytes_per_token, b8.kv_bytes_per_token, 0);
  CHECK(b16.weight_bytes > b8.weight_bytes / 2);  // K and V projections are replicated too
}

TEST(kv_budget, experts_all_stay_in_memory) {
  const auto model = kvsim_test::mixtral();
  const auto gpu = h100();
  const KvBudget b = compute_kv_budget({}, &model, &gpu, 2, WeightDtype::bf16, automatic);
  CHECK_NEAR(b.weight_bytes * 2, 46.7e9 * 2, 0.1e9);
}

TEST(kv_budget, tied_embeddings_count_once) {
  auto model = llama_70b();
  const auto gpu = h100();
  const double untied =
      compute_kv_budget({}, &model, &gpu, 4, WeightDtype::bf16, automatic).weight_bytes;
  model.tied_embeddings = true;
  const double tied =
      compute_kv_budget({}, &model, &gpu, 4, WeightDtype::bf16, automatic).weight_bytes;
  CHECK_NEAR(untied - tied, 2 * 128256.0 * 8192 / 4, 1);
}

TEST(kv_budget, an_explicit_pool_wins) {
  EngineSpec engine;
  engine.num_gpu_blocks = 77;
  const KvBudget bare =
      compute_kv_budget(engine, nullptr, nullptr, 1, WeightDtype::bf16, automatic);
  CHECK_EQ(bare.num_gpu_blocks, 77);
  CHECK_EQ(bare.usable_tokens, 76 * 16);
  CHECK_EQ(bare.kv_bytes, 0.0);
  const auto model = llama_70b();
  const auto gpu = h100();
  // Though the weights alone would not fit on one GPU.
  const KvBudget b = compute_kv_budget(engine, &model, &gpu, 1, WeightDtype::bf16, automatic);
  CHECK_EQ(b.num_gpu_blocks, 77);
  CHECK_NEAR(b.kv_bytes, 77.0 * 16 * 327680, 0);
}

TEST(kv_budget, says_how_many_gb_are_missing) {
  const auto model = llama_70b();
  const auto gpu = h100();
  CHECK_THROWS_WITH(compute_kv_budget({}, &model, &gpu, 1, WeightDtype::bf16, automatic),
                    kvsim::Error, "the model does not fit: 67.");
  CHECK_THROWS_WITH(compute_kv_budget({}, &model, &gpu, 1, WeightDtype::bf16, automatic),
                    kvsim::Error, "GB a GPU are missing");
  EngineSpec engine;
  engine.max_model_len = 1'000'000;
  CHECK_THROWS_WITH(compute_kv_budget(engine, &model, &gpu, 4, WeightDtype::bf16, automatic),
                    kvsim::Error, "max_model_len = 1000000 tokens");
}

TEST(kv_budget, needs_model_and_gpu_or_a_pool) {
  const auto model = llama_70b();
  CHECK_THROWS_WITH(compute_kv_budget({}, nullptr, nullptr, 1, WeightDtype::bf16, automatic),
                    kvsim::Error, "model: got null");
  CHECK_THROWS_WITH(compute_kv_budget({}, &model, nullptr, 1, WeightDtype::bf16, automatic),
                    kvsim::Error, "gpu: got null");
}

TEST(kv_budget, tensor_parallelism_must_divide_the_heads) {
  const auto model = llama_70b();
  const auto gpu = h100();
  CHECK_THROWS_WITH(
      compute_kv_budget({}, &model, &gpu, 6, WeightDtype::bf16, automatic), kvsim::Error,
      "tensor_parallel_size: got 6; allowed: 1, 2, 4, 8, 16, 32, 64 (\"llama-70b\" has "
      "64 heads, 8 KV heads, MLP width 28672)");
}

TEST(kv_budget, a_pipeline_stage_holds_its_layers_and_one_embedding) {
  const auto model = llama_70b();
  const auto gpu = h100();
  const KvBudget one = compute_kv_budget({}, &model, &gpu, 4, WeightDtype::fp8, automatic);
  const KvBudget two = compute_kv_budget({}, &model, &gpu, 4, WeightDtype::fp8, automatic, 2);
  const double embedding = 2 * 128256.0 * 8192 / 4;
  CHECK_NEAR(two.weight_bytes, (one.weight_bytes - 2 * embedding) / 2 + embedding, 1);
  CHECK_NEAR(two.kv_bytes_per_token, one.kv_bytes_per_token / 2, 0);
  // Layers that do not divide: the fullest of 3 stages has 27 of 80.
  const KvBudget three = compute_kv_budget({}, &model, &gpu, 4, WeightDtype::fp8, automatic, 3);
  CHECK_NEAR(three.kv_bytes_per_token, one.kv_bytes_per_token * 27 / 80, 0.1);
  CHECK_THROWS_WITH(compute_kv_budget({}, &model, &gpu, 1, WeightDtype::fp8, automatic, 81),
                    kvsim::Error, "pipeline_parallel_size: got 81; allowed: 1 to 80");
}

TEST(kv_budget, the_wall_of_70b_fp8_over_two_h100) {
  // 8,192-token prompts: 32 requests nearly fit, 64 do not, as was measured (59 s of TTFT at 64).
  const auto model = llama_70b();
  const auto gpu = h100();
  EngineSpec engine;
  engine.max_num_seqs = 64;
  const KvBudget b = compute_kv_budget(engine, &model, &gpu, 2, WeightDtype::fp8, automatic);
  CHECK(b.usable_tokens > 25 * 8192);
  CHECK(b.usable_tokens < 32 * 8192);
}

TEST(kv_budget, a_draft_model_takes_its_weights_and_its_kv) {
  const auto model = llama_70b();
  const auto gpu = h100();
  const kvsim::DraftMemory draft{"small", 2e9, 4096};
  const KvBudget alone = compute_kv_budget({}, &model, &gpu, 8, WeightDtype::bf16, automatic);
  const KvBudget with =
      compute_kv_budget({}, &model, &gpu, 8, WeightDtype::bf16, automatic, 1, draft);
  CHECK_NEAR(with.kv_bytes, alone.kv_bytes - 2e9, 1);
  CHECK_NEAR(with.kv_bytes_per_token, 40960 + 4096, 0);
  CHECK_EQ(with.num_gpu_blocks,
           static_cast<std::int64_t>(std::floor(with.kv_bytes / (16 * (40960 + 4096)))));
  const kvsim::DraftMemory large{"large", 60e9, 4096};
  CHECK_THROWS_KIND(compute_kv_budget({}, &model, &gpu, 8, WeightDtype::bf16, automatic, 1, large),
                    infeasible, "the draft model does not fit beside the model");
  CHECK_THROWS_KIND(compute_kv_budget({}, &model, &gpu, 8, WeightDtype::bf16, automatic, 1, large),
                    infeasible, "those of large (drafts) 60.00");
}
