// Preemption beyond vLLM's rules: victims, budgets, swapping, reservations (docs/memory_wall.md).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "server/replica_run.hpp"

namespace {

using kvsim::Mode;
using kvsim::PreemptionMode;
using kvsim::PreemptionVictim;
using kvsim::Record;
using namespace kvsim_test;

// Five requests of 64 tokens whose outputs fill 20 blocks long before they end; step time 1 us.
ReplicaCase full_case() {
  ReplicaCase c = small_case(40);
  c.step_time = {.a_ns = 1000, .b_ns_per_token = 0, .c_ns_per_context_token = 0};
  const std::int32_t outputs[] = {200, 120, 260, 90, 150};
  const std::int32_t priorities[] = {3, 0, 1, 2, 1};
  for (int i = 0; i < 5; ++i) c.add(0, 64 + 16 * i, outputs[i], priorities[i]);
  return c;
}

std::size_t first_victim(ReplicaCase c, PreemptionVictim victim) {
  c.engine.preemption.victim = victim;
  const Outcome run = run_replica(c, Pool::blocks, Mode::leap, Record::all);
  REQUIRE(!run.error && !run.steps.preempted_request.empty());
  return static_cast<std::size_t>(run.steps.preempted_request.front());
}

TEST(preemption, victims) {
  const ReplicaCase c = full_case();
  CHECK_EQ(first_victim(c, PreemptionVictim::latest), 4U);
  CHECK_EQ(first_victim(c, PreemptionVictim::lowest_priority), 0U);
  CHECK_EQ(first_victim(c, PreemptionVictim::least_work_lost), 0U);    // the shortest prompt
  CHECK_EQ(first_victim(c, PreemptionVictim::longest_remaining), 2U);  // 260 outputs
}

TEST(preemption, a_request_that_is_out_of_budget_is_preempted_no_more) {
  ReplicaCase c = full_case();
  const Outcome free = run_replica(c, Pool::count, Mode::leap, Record::steps);
  for (const std::int64_t most : {0, 1, 2}) {
    c.engine.preemption.max_per_request = most;
    const Outcome run = run_replica(c, Pool::count, Mode::leap, Record::steps);
    REQUIRE(!run.error);
    for (const std::int32_t n : run.requests.num_preemptions) CHECK(n <= most);
    CHECK(run.totals.preemptions <= free.totals.preemptions);
    // Who has no budget left waits for all that it may need.
    std::int64_t spent = 0;
    for (const std::int32_t n : run.requests.num_preemptions) spent += n == most ? 1 : 0;
    CHECK_EQ(run.totals.preemption_waits, most == 0 ? 0 : spent);
  }
  CHECK_EQ(free.totals.preemption_waits, 0);
  // No budget at all is to reserve at admission.
  c.engine.preemption.max_per_request = 0;
  const Outcome none = run_replica(c, Pool::count, Mode::leap, Record::steps);
  c.engine.preemption = {};
  c.engine.preemption.mode = PreemptionMode::none;
  const Outcome reserving = run_replica(c, Pool::count, Mode::leap, Record::steps);
  CHECK_EQ(first_difference(none, reserving), "");
  CHECK_EQ(reserving.totals.preemptions, 0);
}

std::int64_t count_rejected(const Outcome& run) {
  return std::count(run.requests.outcome.begin(), run.requests.outcome.end(),
                    static_cast<std::uint8_t>(kvsim::Outcome::rejected));
}

TEST(preemption, a_limit_may_reject) {
  ReplicaCase c = full_case();
  c.engine.preemption.at_limit = kvsim::PreemptionLimit::reject;
  for (const std::int64_t most : {0, 1}) {
    c.engine.preemption.max_per_request = most;
    const Outcome run = run_replica(c, Pool::blocks, Mode::leap, Record::all);
    REQUIRE(!run.error && run.totals.rejected > 0);
    CHECK(most > 0 || run.totals.preemptions == 0);
    CHECK_EQ(run.totals.completed + run.totals.rejected, 5);
    CHECK_EQ(count_rejected(run), run.totals.rejected);
    CHECK_EQ(waterfall_gap(run), "");
    for (std::size_t r = 0; r < 5; ++r) {
      const bool rejected = run.requests.outcome[r] != 0;
      if (rejected) CHECK(run.requests.num_preemptions[r] == most);
      CHECK(rejected == (run.requests.output_tokens[r] < c.requests.output_tokens[r]));
    }
  }
  // Two preemptions of the run are never a second apart: who needs a block later is turned away.
  c.engine.preemption.max_per_request.reset();
  c.engine.preemption.max_per_s = 1;
  const Outcome run = run_replica(c, Pool::blocks, Mode::leap, Record::all);
  REQUIRE(!run.error);
  CHECK_EQ(run.totals.preemptions, 1);
  CHECK(run.totals.rejected > 0);
}

// Times of the steps that preempt.
std::vector<kvsim::Ns> preemption_times(const Outcome& run) {
  std::vector<kvsim::Ns> times;
  for (std::size_t i = 0; i < run.steps.t_ns.size(); ++i) {
    if (run.steps.preempted[i] > 0) times.push_back(run.steps.t_ns[i]);
  }
  return times;
}

kvsim::Ns least_gap(const std::vector<kvsim::Ns>& times) {
  kvsim::Ns least = kvsim::kNever;
  for (std::size_t i = 1; i < times.size(); ++i) least = std::min(least, times[i] - times[i - 1]);
  return least;
}

TEST(preemption, a_rate_keeps_preemptions_apart) {
  ReplicaCase c = full_case();
  const Outcome free_run = run_replica(c, Pool::blocks, Mode::leap, Record::all);
  REQUIRE(!free_run.error && preemption_times(free_run).size() > 1);
  const kvsim::Ns gap = 3 * least_gap(preemption_times(free_run));
  c.engine.preemption.max_per_s = 1e9 / static_cast<double>(gap);
  const Outcome run = run_replica(c, Pool::blocks, Mode::leap, Record::all);
  REQUIRE(!run.error && run.totals.preemptions > 0);
  for (const auto preempted : run.steps.preempted) CHECK(preempted <= 1);
  CHECK(least_gap(preemption_times(run)) >= gap);
  CHECK(run.totals.preemption_waits > 0);
  CHECK_EQ(waterfall_gap(run), "");
}

// A swapped request goes on where it was; a recomputed one computes its tokens again.
TEST(preemption, swapping_moves_blocks_instead_of_computing_them_again) {
  ReplicaCase c = full_case();
  const Outcome computed = run_replica(c, Pool::count, Mode::leap, Record::steps);
  c.engine.preemption.mode = PreemptionMode::swap;
  c.host_blocks = 1000;
  c.swap_ns_per_block = 100;
  const Outcome swapped = run_replica(c, Pool::count, Mode::leap, Record::steps);
  REQUIRE(!computed.error && !swapped.error);
  std::int64_t tokens = 0;  // all that must be computed once
  for (std::size_t r = 0; r < 5; ++r) {
    tokens += c.requests.prompt_tokens[r] + c.requests.output_tokens[r] - 1;
  }
  CHECK(computed.totals.scheduled_tokens > tokens);
  CHECK_EQ(swapped.totals.scheduled_tokens, tokens);
  CHECK_EQ(swapped.totals.swaps, swapped.totals.preemptions);
  // Every block goes out and comes back, at 100 ns each beside steps of 1 us.
  CHECK_EQ(swapped.totals.busy_ns,
           1000 * swapped.totals.steps + 100 * swapped.totals.swapped_blocks);
  CHECK_EQ(swapped.totals.swapped_blocks % 2, 0);

  c.engine.preemption.swap_overlap = true;
  const Outcome beside = run_replica(c, Pool::count, Mode::leap, Record::steps);
  CHECK(beside.totals.busy_ns < swapped.totals.busy_ns);
  c.host_blocks = 3;  // nobody fits
  const Outcome refused = run_replica(c, Pool::count, Mode::leap, Record::steps);
  CHECK_EQ(refused.totals.swaps, 0);
  CHECK_EQ(refused.totals.swaps_refused, refused.totals.preemptions);
  CHECK_EQ(refused.totals.scheduled_tokens, computed.totals.scheduled_tokens);
}

}  // namespace
