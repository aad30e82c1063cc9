#include "kvsim/scheduler/config.hpp"

#include "check.hpp"
#include "kvsim/scheduler/spec_law.hpp"

namespace {

using kvsim::EngineSpec;
using kvsim::SpecMethod;

kvsim::SchedulerConfig config_of(const EngineSpec& engine) {
  return kvsim::SchedulerConfig::from(engine, 1, 1001, 4096);
}

TEST(scheduler_config, watermark_is_a_share_of_all_blocks_rounded_down) {
  EngineSpec engine;
  engine.watermark = 0.0099;
  CHECK_EQ(config_of(engine).watermark_blocks, 9);
  engine.watermark = 0.01;
  CHECK_EQ(config_of(engine).watermark_blocks, 10);
}

TEST(scheduler_config, active_sequences_default_to_max_num_seqs) {
  EngineSpec engine;
  engine.max_num_seqs = 7;
  CHECK_EQ(config_of(engine).active, 7);
  engine.max_num_active_seqs = 3;
  CHECK_EQ(config_of(engine).active, 3);
}

TEST(scheduler_config, only_a_draft_model_reserves_slots_and_is_charged) {
  EngineSpec engine;
  engine.num_spec_tokens = 5;
  CHECK_EQ(config_of(engine).drafts, 0);
  engine.spec_method = SpecMethod::ngram;
  CHECK_EQ(config_of(engine).drafts, 5);
  CHECK_EQ(config_of(engine).lookahead, 0);
  CHECK_EQ(config_of(engine).draft_slots, 0);
  engine.spec_method = SpecMethod::draft_model;
  CHECK_EQ(config_of(engine).drafts, 5);
  CHECK_EQ(config_of(engine).lookahead, 5);
  CHECK_EQ(config_of(engine).draft_slots, 1);
}

TEST(scheduler_config, batches_in_flight) {
  EngineSpec engine;
  CHECK_EQ(config_of(engine).batch_queue(), 1);
  CHECK_EQ(kvsim::SchedulerConfig::from(engine, 4, 1001, 4096).batch_queue(), 4);
  engine.async_scheduling = true;
  CHECK_EQ(config_of(engine).batch_queue(), 2);
  CHECK_EQ(kvsim::SchedulerConfig::from(engine, 4, 1001, 4096).batch_queue(), 5);
}

TEST(spec_law, splitmix64_is_the_published_one) {
  // First outputs of the generator seeded with 0: it adds the constant before it mixes.
  CHECK_EQ(kvsim::splitmix64(0), 0xE220A8397B1DCDAFULL);
  CHECK_EQ(kvsim::splitmix64(0x9E3779B97F4A7C15ULL), 0x6E789E6AA1B965F4ULL);
}

TEST(spec_law, draws_are_uniform_on_0_to_k_and_differ_by_purpose) {
  constexpr int draws = 40'000;
  int counts[4] = {};
  int equal = 0;
  for (std::uint64_t outputs = 0; outputs < draws; ++outputs) {
    const auto accept = kvsim::spec_draw(7, kvsim::salt_accept, 3, outputs, 3);
    ++counts[accept];
    equal += accept == kvsim::spec_draw(7, kvsim::salt_propose, 3, outputs, 3) ? 1 : 0;
  }
  for (const int count : counts) CHECK_NEAR(count, draws / 4, 400);
  CHECK_NEAR(equal, draws / 4, 400);
}

}  // namespace
