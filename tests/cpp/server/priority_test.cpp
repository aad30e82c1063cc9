#include <cstdint>
#include <vector>

#include "check.hpp"
#include "server/replica_run.hpp"

namespace {

using kvsim::Mode;
using kvsim::Record;
using kvsim::SchedulingPolicy;
using namespace kvsim_test;

ReplicaCase by_priority(std::int64_t usable_blocks) {
  ReplicaCase c = small_case(usable_blocks);
  c.engine.scheduling_policy = SchedulingPolicy::priority;
  c.step_time = {.a_ns = 1000, .b_ns_per_token = 0, .c_ns_per_context_token = 0};
  return c;
}

// Rules, 3.1 step 3. In step 4 the first request is planned, then the second one needs a block of
// the full pool: the first is the least urgent and must go, and its token of the budget returns, so
// that the third one's chunk gets 99 of 100.
TEST(priority, a_cancelled_plan_returns_its_budget) {
  ReplicaCase c = by_priority(26);
  c.engine.max_num_batched_tokens = 100;
  c.engine.scheduler_reserve_full_isl = false;
  c.add(0, 160, 100, 5);
  c.add(1, 47, 50, 0);
  c.add(1001, 300, 5, 1);
  for (const Mode mode : {Mode::step, Mode::leap}) {
    const Outcome run = run_replica(c, Pool::blocks, mode, Record::all);
    CHECK_EQ(run.steps.free_blocks_end[3], 0);
    CHECK_EQ(run.steps.preempted[4], 1);
    CHECK_EQ(run.steps.preempted_request[0], 0);
    CHECK_EQ(run.steps.scheduled[4], 2);
    CHECK_EQ(run.steps.tokens[4], 100);
  }
}

// Rules, 9.5: who waits preempts nobody.
TEST(priority, an_urgent_arrival_waits_for_room) {
  ReplicaCase c = by_priority(10);
  c.add(0, 150, 5, 9);
  c.add(500, 60, 5, 0);
  const Outcome run = run_replica(c, Pool::blocks, Mode::leap, Record::requests);
  CHECK_EQ(run.totals.preemptions, 0);
  CHECK_EQ(run.requests.scheduled_ns[1], run.requests.finish_ns[0]);
}

TEST(priority, the_queue_is_served_by_urgency_then_arrival) {
  ReplicaCase c = by_priority(100);
  c.engine.max_num_seqs = 1;
  c.add(0, 10, 2, 5);
  c.add(1, 10, 2, 2);
  c.add(2, 10, 2, 1);
  c.add(3, 10, 2, 2);
  const Outcome run = run_replica(c, Pool::blocks, Mode::leap, Record::requests);
  CHECK_EQ(run.requests.finish_ns, (std::vector<kvsim::Ns>{2000, 6000, 4000, 8000}));
}

}  // namespace
