// Request-level batches beside iteration-level ones, and contiguous memory.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "server/replica_run.hpp"

namespace {

using kvsim::ContiguousAllocator;
using kvsim::Mode;
using kvsim::Record;
using kvsim::Reservation;
using kvsim::StaticBatching;
using namespace kvsim_test;

ContiguousAllocator contiguous(Reservation reservation) {
  ContiguousAllocator a;
  a.reservation = reservation;
  return a;
}

double mean_e2e_ms(const Outcome& run) {
  double sum = 0;
  for (std::size_t r = 0; r < run.requests.finish_ns.size(); ++r) {
    sum += static_cast<double>(run.requests.finish_ns[r] - run.requests.arrival_ns[r]) / 1e6;
  }
  return sum / static_cast<double>(run.requests.finish_ns.size());
}

// 20 ms a step, whatever it does.
ReplicaCase slow_case() {
  ReplicaCase c = small_case(200);
  c.step_time = {.a_ns = 20e6, .b_ns_per_token = 0, .c_ns_per_context_token = 0};
  return c;
}

TEST(static_batching, answers_everybody_when_the_longest_is_done) {
  ReplicaCase c = slow_case();
  for (const int outputs : {50, 200, 100, 150}) c.add(0, 16, outputs);
  const Outcome continuous = run_replica(c, Pool::count, Mode::leap, Record::steps);
  c.engine.batching = StaticBatching{};
  const Outcome together = run_replica(c, Pool::count, Mode::leap, Record::steps);
  REQUIRE(!continuous.error && !together.error);
  CHECK_EQ(mean_e2e_ms(continuous), 2500.0);
  CHECK_EQ(mean_e2e_ms(together), 4000.0);
  CHECK_EQ(waterfall_gap(together), "");
  CHECK_EQ(together.totals.output_tokens, 500);
  CHECK_EQ(together.steps.t_ns.size(), 200U);
}

TEST(static_batching, waits_for_the_window_or_a_full_batch) {
  ReplicaCase c = slow_case();
  c.engine.batching = StaticBatching{.window_ms = 100};
  c.engine.max_num_seqs = 3;
  for (const int ms : {0, 50, 200, 210, 220, 230}) c.add(ms * 1'000'000, 16, 1);
  const Outcome run = run_replica(c, Pool::count, Mode::leap, Record::steps);
  REQUIRE(!run.error);
  std::vector<std::int64_t> started_ms;
  for (const kvsim::Ns t : run.requests.scheduled_ns) started_ms.push_back(t / 1'000'000);
  // A window of 100 ms; then a full batch at 220; then nobody is left to wait for.
  CHECK_EQ(started_ms, (std::vector<std::int64_t>{100, 100, 220, 220, 220, 240}));
  CHECK_EQ(waterfall_gap(run), "");
}

TEST(static_batching, holds_memory_until_the_batch_ends) {
  ReplicaCase c = slow_case();
  c.engine.batching = StaticBatching{};
  c.engine.kv_allocator = contiguous(Reservation::max);
  c.engine.max_model_len = 1024;
  c.record_memory = kvsim::RecordMemory::classes;
  for (int i = 0; i < 7; ++i) c.add(0, 100, 10 * (i + 1));
  const Outcome run = run_replica(c, Pool::count, Mode::leap, Record::steps);
  REQUIRE(!run.error);
  // 3,200 slots, buddies of 1,024: three at a time.
  CHECK_EQ(run.steps.running.front(), 3);
  const kvsim::MemoryClasses& m = run.totals.memory;
  CHECK(m.total() == kvsim::Int128{3200} * (run.totals.end_ns - run.totals.start_ns));
  CHECK(m.internal > m.tokens && m.external > 0);
}

TEST(contiguous, reserves_for_life_and_names_every_slot) {
  ReplicaCase c = slow_case();
  c.record_memory = kvsim::RecordMemory::heatmap;
  c.engine.max_model_len = 1024;
  for (int i = 0; i < 9; ++i) c.add(0, 100, 30 + i);
  struct Expected {
    Reservation reservation;
    std::int64_t running;
    bool internal;
  };
  // 3,200 slots: 3 of 1,024; 18 of 164 or less in pieces of 256 (2,048 + 1,024 + 128).
  for (const Expected& e :
       {Expected{Reservation::max, 3, true}, Expected{Reservation::pow2, 9, true},
        Expected{Reservation::oracle, 9, false}}) {
    c.engine.kv_allocator = contiguous(e.reservation);
    const Outcome run = run_replica(c, Pool::count, Mode::leap, Record::steps);
    REQUIRE(!run.error);
    CHECK_EQ(run.totals.max_running, e.running);
    CHECK_EQ(run.totals.preemptions, 0);
    CHECK_EQ(run.totals.memory.internal > 0, e.internal);
    CHECK(run.totals.memory.total() ==
          kvsim::Int128{3200} * (run.totals.end_ns - run.totals.start_ns));
  }
}

}  // namespace
