// How much the lazy path carries, and where it must hand over.

#include <cstddef>
#include <cstdint>

#include "check.hpp"
#include "random.hpp"
#include "server/replica_run.hpp"

namespace {

using kvsim::Mode;
using kvsim::Record;
using kvsim::SchedulingPolicy;
using namespace kvsim_test;

// 32 clients, 200 requests of about 130 prompt and 400 output tokens; blocks for all that run.
ReplicaCase decode_heavy(bool caching, SchedulingPolicy policy) {
  ReplicaCase c = small_case(2000);
  c.engine.enable_prefix_caching = caching;
  c.engine.scheduling_policy = policy;
  Random random(5);
  for (int i = 0; i < 200; ++i) {
    c.add(i < 32 ? 0 : -1, static_cast<std::int32_t>(random.between(100, 160)),
          static_cast<std::int32_t>(random.between(300, 500)),
          static_cast<std::int32_t>(random.between(0, 2)));
  }
  c.requests.closed_loop_concurrency = 32;
  if (caching) c.share_prefix(4);
  return c;
}

void expect_mostly_lazy(const ReplicaCase& c) {
  const Outcome leap = run_replica(c, Pool::blocks, Mode::leap, Record::requests);
  const Outcome step = run_replica(c, Pool::blocks, Mode::step, Record::requests);
  CHECK_EQ(first_difference(leap, step), "");
  CHECK(leap.lazy_share() >= 0.8);
  CHECK_EQ(step.totals.lazy_steps, 0);
}

TEST(leap, carries_decode_heavy_runs) {
  expect_mostly_lazy(decode_heavy(false, SchedulingPolicy::fcfs));
}

TEST(leap, carries_decode_heavy_runs_with_prefix_caching) {
  const ReplicaCase c = decode_heavy(true, SchedulingPolicy::fcfs);
  expect_mostly_lazy(c);
  CHECK(run_replica(c, Pool::blocks, Mode::leap, Record::summary).totals.prefix_hit_tokens > 5000);
}

TEST(leap, carries_decode_heavy_runs_with_priority) {
  expect_mostly_lazy(decode_heavy(false, SchedulingPolicy::priority));
}

TEST(leap, carries_decode_heavy_runs_with_prefix_caching_and_priority) {
  expect_mostly_lazy(decode_heavy(true, SchedulingPolicy::priority));
}

TEST(leap, carries_decode_heavy_runs_with_asynchronous_scheduling) {
  for (const bool caching : {false, true}) {
    for (const auto policy : {SchedulingPolicy::fcfs, SchedulingPolicy::priority}) {
      ReplicaCase c = decode_heavy(caching, policy);
      c.engine.async_scheduling = true;
      expect_mostly_lazy(c);
    }
  }
}

TEST(leap, carries_decode_heavy_runs_with_pipelines) {
  for (const bool async : {false, true}) {
    for (const bool caching : {false, true}) {
      for (const std::int64_t stages : {2, 3, 4}) {
        ReplicaCase c = decode_heavy(caching, SchedulingPolicy::fcfs);
        c.engine.async_scheduling = async;
        c.pipeline_parallel_size = stages;
        expect_mostly_lazy(c);
      }
    }
  }
}

// Many groups are empty most of the time, and a call that schedules nothing makes the loop pause.
TEST(leap, carries_a_few_requests_in_a_deep_pipeline) {
  for (const bool async : {false, true}) {
    ReplicaCase c = small_case(2000);
    c.engine.async_scheduling = async;
    c.engine.empty_sleep_ns = 170;
    c.pipeline_parallel_size = 16;
    for (int i = 0; i < 6; ++i) c.add(i * 20'000, 40 + 30 * i, 300);
    const Outcome leap = run_replica(c, Pool::blocks, Mode::leap, Record::all);
    const Outcome step = run_replica(c, Pool::blocks, Mode::step, Record::all);
    CHECK_EQ(first_difference(leap, step), "");
    CHECK(leap.lazy_share() >= 0.8);
  }
}

// Without chunks the third prompt needs all but one token of the budget: there is room from the
// call on that has one decode less, which is the one after the first request's last token was
// launched, not after it came.
TEST(leap, budget_comes_back_when_a_last_token_is_launched) {
  ReplicaCase c = small_case(100, 100);
  c.engine.async_scheduling = true;
  c.engine.enable_chunked_prefill = false;
  c.engine.max_num_batched_tokens = 100;
  c.add(0, 10, 20);
  c.add(0, 10, 60);
  c.add(4000, 99, 1);
  const Outcome leap = run_replica(c, Pool::blocks, Mode::leap, Record::all);
  const Outcome step = run_replica(c, Pool::blocks, Mode::step, Record::all);
  CHECK_EQ(first_difference(leap, step), "");
  CHECK(step.requests.scheduled_ns[2] > step.requests.arrival_ns[2] + 4000);
  CHECK_EQ(step.requests.scheduled_ns[2], step.requests.finish_ns[0]);
  CHECK(leap.totals.lazy_steps > 10);
}

TEST(leap, carries_runs_with_a_queue_that_waits_for_slots) {
  ReplicaCase c = decode_heavy(true, SchedulingPolicy::fcfs);
  c.engine.max_num_seqs = 16;
  expect_mostly_lazy(c);
}

// Blocks for about half of the clients.
TEST(leap, carries_runs_with_a_queue_that_waits_for_blocks) {
  for (const bool caching : {false, true}) {
    for (const auto policy : {SchedulingPolicy::fcfs, SchedulingPolicy::priority}) {
      ReplicaCase c = decode_heavy(caching, policy);
      c.engine.num_gpu_blocks = 500;
      c.engine.watermark = 0.2;
      expect_mostly_lazy(c);
      CHECK(run_replica(c, Pool::blocks, Mode::leap, Record::summary).totals.max_waiting > 5);
    }
  }
}

TEST(leap, preemptions_are_ordinary_steps_between_lazy_ones) {
  ReplicaCase c = decode_heavy(true, SchedulingPolicy::fcfs);
  c.engine.num_gpu_blocks = 500;
  const Outcome leap = run_replica(c, Pool::blocks, Mode::leap, Record::requests);
  CHECK(leap.totals.preemptions > 50);
  CHECK(leap.lazy_share() > 0.5);
}

// The lone request's finish is further ahead than the finish wheel can hold at all.
TEST(leap, an_output_longer_than_the_wheel) {
  constexpr std::int32_t outputs = 2'100'000;
  ReplicaCase c = small_case(outputs / 16 + 100, outputs + 1000);
  c.step_time = {.a_ns = 7, .b_ns_per_token = 0, .c_ns_per_context_token = 0};
  c.add(100, 64, outputs);
  const Outcome run = run_replica(c, Pool::count, Mode::leap, Record::requests);
  CHECK_EQ(run.totals.steps, outputs);
  CHECK_EQ(run.totals.lazy_steps, outputs - 1);
  CHECK_EQ(run.requests.finish_ns[0], 100 + 7 * std::int64_t{outputs});
  CHECK_EQ(run.totals.max_used_blocks, (64 + outputs - 1 + 15) / 16);
}

// In step 15 the first request's token fills block 4, and the second one's chunk, which continues
// at token 79, fills it too: both publish the same key. The first runs first, so its block must be
// the one that the third request hits.
TEST(leap, publishers_of_one_key_in_one_step_keep_running_order) {
  ReplicaCase c = small_case(100);
  c.step_time = {.a_ns = 1000, .b_ns_per_token = 0, .c_ns_per_context_token = 0};
  c.engine.enable_prefix_caching = true;
  c.engine.long_prefill_token_threshold = 15;
  c.add(0, 65, 60);
  c.add(13'500, 200, 5);
  c.add(17'500, 150, 5);
  c.share_prefix(9);
  const Outcome leap = run_replica(c, Pool::blocks, Mode::leap, Record::all);
  const Outcome step = run_replica(c, Pool::blocks, Mode::step, Record::all);
  CHECK_EQ(first_difference(leap, step), "");
  const auto scheduled_at = [&step](std::int32_t request, std::int32_t computed) {
    std::int32_t at = -1;
    for (std::size_t i = 0; i < step.entries.step.size(); ++i) {
      const bool it = step.entries.request[i] == request && step.entries.computed[i] == computed;
      if (it) at = step.entries.step[i];
    }
    return at;
  };
  CHECK_EQ(scheduled_at(0, 79), 15);
  CHECK_EQ(scheduled_at(1, 79), 15);
  CHECK(leap.requests.cached_tokens[2] >= 80);
}

// The second request lacks one block as long as the first one's last block is not full: each block
// that the first takes is one that the second can hit later, but for the one in the making. In the
// step whose token fills it, it is published, the second hits it too and fits.
TEST(leap, the_head_of_the_queue_hits_a_block_that_is_published_in_the_same_step) {
  ReplicaCase c = small_case(19);
  c.engine.enable_prefix_caching = true;
  c.add(0, 65, 200);
  c.add(2000, 300, 4);
  c.share_prefix(19);
  const Outcome leap = run_replica(c, Pool::blocks, Mode::leap, Record::all);
  const Outcome step = run_replica(c, Pool::blocks, Mode::step, Record::all);
  CHECK_EQ(first_difference(leap, step), "");
  CHECK_EQ(leap.requests.cached_tokens[1], 80);
  CHECK(leap.requests.scheduled_ns[1] < leap.requests.finish_ns[0]);
  CHECK(leap.lazy_share() > 0.8);
}

}  // namespace
