// Where the real scheduler never ends, kvsim says which requests and why (rules, 9.7 to 9.9).

#include <cstdint>
#include <string>

#include "check.hpp"
#include "server/replica_run.hpp"

namespace {

using kvsim::ErrorKind;
using kvsim::Mode;
using kvsim::Record;
using kvsim::SchedulingPolicy;
using namespace kvsim_test;

void expect_livelock(const ReplicaCase& c, const std::string& part) {
  for (const Mode mode : {Mode::step, Mode::leap}) {
    for (const Pool pool : {Pool::blocks, Pool::count}) {
      if (pool == Pool::count && c.engine.enable_prefix_caching) continue;
      const Outcome run = run_replica(c, pool, mode, Record::summary);
      REQUIRE(run.error.has_value());
      CHECK_EQ(*run.error, ErrorKind::livelock);
      if (run.message.find(part) == std::string::npos) CHECK_EQ(run.message, part);
    }
  }
}

TEST(livelock, a_prompt_larger_than_the_pool_is_never_admitted) {
  ReplicaCase c = small_case(10);
  c.add(0, 100, 10);
  c.add(50, 161, 5);
  c.add(60, 10, 5);
  expect_livelock(c, "request 1 (161 tokens, 11 blocks) is at the head of the waiting queue");
  expect_livelock(c, "10 blocks are free of 10 usable ones (engine.num_gpu_blocks - 1)");
}

TEST(livelock, an_output_that_outgrows_the_pool_preempts_itself_for_ever) {
  ReplicaCase c = small_case(10);
  c.add(0, 50, 200);
  // It regenerates 161 tokens, which its readmission would need all at once.
  expect_livelock(c, "request 0 (161 tokens, 11 blocks) is at the head of the waiting queue");
  c.engine.scheduler_reserve_full_isl = false;
  c.engine.max_num_batched_tokens = 64;
  expect_livelock(c, "request 0 preempts itself for ever with 10 usable blocks");
}

TEST(livelock, a_request_that_cannot_fit_is_found_after_the_others_have_finished) {
  ReplicaCase c = small_case(10);
  for (int i = 0; i < 20; ++i) c.add(i, 20, 10);
  c.add(5, 170, 5);
  expect_livelock(c, "request 20 (170 tokens, 11 blocks)");
}

// Rules, 9.9: equal priority and arrival; the tie kills the one that is further advanced.
TEST(livelock, equal_priority_and_arrival_restart_each_other) {
  ReplicaCase c = small_case(40);
  c.engine.scheduling_policy = SchedulingPolicy::priority;
  c.engine.scheduler_reserve_full_isl = false;
  c.engine.long_prefill_token_threshold = 16;
  c.add(1000, 600, 5, 1);
  c.add(1000, 600, 5, 1);
  expect_livelock(c, "requests 0, 1 preempt each other for ever with 40 usable blocks");

  const auto ends = [&c] {
    const Outcome run = run_replica(c, Pool::blocks, Mode::leap, Record::summary);
    return !run.error && run.totals.preemptions > 0;
  };
  // A prefix cache keeps what the victim had computed,
  c.engine.enable_prefix_caching = true;
  CHECK(ends());
  // and distinct arrivals have a winner.
  c.engine.enable_prefix_caching = false;
  c.requests.arrival_ns[1] = 1001;
  CHECK(ends());
}

// The rules for batches in flight, 8.8.
TEST(livelock, ties_restart_each_other_with_batches_in_flight_too) {
  for (const std::int64_t stages : {1, 2}) {
    ReplicaCase c = small_case(40);
    c.engine.scheduling_policy = SchedulingPolicy::priority;
    c.engine.scheduler_reserve_full_isl = false;
    c.engine.long_prefill_token_threshold = 16;
    c.engine.async_scheduling = true;
    c.pipeline_parallel_size = stages;
    c.add(1000, 600, 5, 1);
    c.add(1000, 600, 5, 1);
    expect_livelock(c, "requests 0, 1 preempt each other for ever with 40 usable blocks");
  }
}

TEST(livelock, a_prompt_larger_than_the_pool_with_batches_in_flight) {
  ReplicaCase c = small_case(10);
  c.engine.async_scheduling = true;
  c.add(0, 100, 10);
  c.add(50, 161, 5);
  c.add(60, 10, 5);
  expect_livelock(c, "request 1 (161 tokens, 11 blocks) is at the head of the waiting queue");
}

TEST(livelock, is_found_with_steps_that_last_no_time) {
  ReplicaCase c = small_case(10);
  c.step_time = {.a_ns = 0, .b_ns_per_token = 0, .c_ns_per_context_token = 0};
  c.engine.scheduler_reserve_full_isl = false;
  c.engine.max_num_batched_tokens = 64;
  c.add(0, 50, 200);
  c.add(1'000'000, 5, 5);
  expect_livelock(c, "request 0 preempts itself for ever");
}

// As long as something may arrive nothing is proven; when all have arrived it is.
TEST(livelock, later_arrivals_are_served_first) {
  ReplicaCase c = small_case(10);
  c.engine.scheduling_policy = SchedulingPolicy::priority;
  c.engine.scheduler_reserve_full_isl = false;
  c.engine.max_num_batched_tokens = 64;
  c.add(0, 50, 200, 5);
  c.add(3'000'000, 5, 5, 0);
  expect_livelock(c, "request 0 preempts itself for ever");
  const Outcome run = run_replica(c, Pool::blocks, Mode::leap, Record::requests);
  CHECK_EQ(run.requests.output_tokens[1], 5);
}

// vLLM demands a budget of at least max_model_len without chunks, and this is why.
TEST(livelock, a_prompt_longer_than_the_budget_without_chunks) {
  ReplicaCase c = small_case(100);
  c.engine.enable_chunked_prefill = false;
  c.engine.max_num_batched_tokens = 128;
  c.add(0, 100, 10);
  c.add(0, 129, 10);
  expect_livelock(c, "request 1 (129 tokens, 9 blocks) is at the head of the waiting queue");
  expect_livelock(c, "chunked prefill is disabled and max_num_batched_tokens is 128");
}

TEST(livelock, a_preempted_request_longer_than_the_budget_without_chunks) {
  ReplicaCase c = small_case(10);
  c.engine.enable_chunked_prefill = false;
  c.engine.max_num_batched_tokens = 70;
  c.add(0, 10, 90);
  c.add(0, 60, 90);
  expect_livelock(c, "chunked prefill is disabled and max_num_batched_tokens is 70");
}

TEST(livelock, a_full_pool_that_clears_is_none) {
  ReplicaCase c = small_case(12);
  for (int i = 0; i < 8; ++i) c.add(i, 30, 150);
  const Outcome run = run_replica(c, Pool::blocks, Mode::leap, Record::summary);
  CHECK(!run.error);
  CHECK_EQ(run.totals.completed, 8);
  CHECK(run.totals.preemptions > 0);
}

}  // namespace
