// Leap against step against the reference, with block identities and without, on random
// configurations: invariant 9 and what hangs on it (docs/invariants.md).

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>

#include "check.hpp"
#include "scheduler/reference_scheduler.hpp"
#include "server/laws.hpp"
#include "server/random_case.hpp"

namespace {

using kvsim::Mode;
using kvsim::Record;
using namespace kvsim_test;

// What random cases must have visited for the tests to mean something.
struct Visited {
  std::int64_t steps = 0, lazy_steps = 0, preemptions = 0, hit_tokens = 0, livelocks = 0;
  void note(const Outcome& run) {
    steps += run.totals.steps;
    lazy_steps += run.totals.lazy_steps;
    preemptions += run.totals.preemptions;
    hit_tokens += run.totals.prefix_hit_tokens;
    livelocks += run.error ? 1 : 0;
  }
};

void expect_no_difference(const std::string& difference, const char* what, std::uint64_t seed,
                          const ReplicaCase& c) {
  if (difference.empty()) return;
  kvsim_test::report_failure(__FILE__, __LINE__,
                             std::string(what) + ", seed " + std::to_string(seed) + ": " +
                                 difference + "\n    " + describe(c));
  throw kvsim_test::Abandon{};  // one is enough to search
}

void compare_all_ways(std::uint64_t seed, const ReplicaCase& c, Visited& visited) {
  const Outcome step = run_replica(c, Pool::blocks, Mode::step, Record::all);
  const Outcome leap = run_replica(c, Pool::blocks, Mode::leap, Record::all);
  visited.note(leap);
  expect_no_difference(first_difference(step, leap), "leap and step", seed, c);
  const Outcome brief = run_replica(c, Pool::blocks, Mode::leap, Record::requests);
  expect_no_difference(first_difference(step, brief), "leap without rows and step", seed, c);
  if (!c.engine.enable_prefix_caching) {
    const Outcome counted = run_replica(c, Pool::count, Mode::step, Record::steps);
    expect_no_difference(first_difference(step, counted), "counted blocks and step", seed, c);
    const Outcome both = run_replica(c, Pool::count, Mode::leap, Record::steps);
    expect_no_difference(first_difference(step, both), "counted blocks, leap, and step", seed, c);
    const Outcome swift = run_replica(c, Pool::count, Mode::leap, Record::requests);
    expect_no_difference(first_difference(step, swift), "counted, without rows, and step", seed, c);
  }
  if (step.error) {
    CHECK_EQ(*step.error, kvsim::ErrorKind::livelock);
    return;
  }
  expect_no_difference(broken_law(c, step), "law", seed, c);
}

TEST(differential, leap_equals_step) {
  Visited visited;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    compare_all_ways(seed, random_case(seed, Flavour::plain), visited);
  }
  CHECK(visited.lazy_steps * 4 > visited.steps);
  CHECK(visited.preemptions > 1000);
  CHECK(visited.hit_tokens > 10'000);
  CHECK(visited.livelocks < 40);
}

// Eviction policies, victims, budgets, swapping, reservations: leap is step there too, the laws
// hold, and the classes of the memory add up (a run checks that at its end).
TEST(differential, leap_equals_step_whatever_the_memory_policies) {
  Visited visited;
  for (std::uint64_t seed = 0; seed < 700; ++seed) {
    const ReplicaCase c = random_case(seed, Flavour::memory);
    const bool paged = !std::holds_alternative<kvsim::ContiguousAllocator>(c.engine.kv_allocator);
    const Record rows = paged ? Record::all : Record::steps;
    const Outcome step = run_replica(c, Pool::blocks, Mode::step, rows);
    const Outcome leap = run_replica(c, Pool::blocks, Mode::leap, rows);
    visited.note(leap);
    expect_no_difference(first_difference(step, leap), "leap and step", seed, c);
    if (!step.error) expect_no_difference(heatmap_difference(step, leap), "heatmap", seed, c);
    const Outcome brief = run_replica(c, Pool::blocks, Mode::leap, Record::requests);
    expect_no_difference(first_difference(step, brief), "leap without rows and step", seed, c);
    if (paged && !c.engine.enable_prefix_caching) {
      const Outcome counted = run_replica(c, Pool::count, Mode::leap, Record::steps);
      expect_no_difference(first_difference(step, counted), "counted blocks and step", seed, c);
      if (!step.error) {
        expect_no_difference(heatmap_difference(step, counted), "heatmap of counted", seed, c);
      }
    }
    if (step.error) {
      if (*step.error != kvsim::ErrorKind::livelock) {
        expect_no_difference(step.message, "error", seed, c);
      }
      continue;
    }
    expect_no_difference(broken_law(c, step), "law", seed, c);
    const std::int64_t most = c.engine.preemption.max_per_request.value_or(1 << 30);
    for (const std::int32_t n : step.requests.num_preemptions) CHECK(n <= most);
    if (c.engine.preemption.mode == kvsim::PreemptionMode::none) {
      CHECK_EQ(step.totals.preemptions, 0);
    }
  }
  CHECK(visited.lazy_steps * 4 > visited.steps);
  CHECK(visited.preemptions > 1000);
  CHECK(visited.hit_tokens > 10'000);
  CHECK(visited.livelocks < 70);
}

TEST(differential, speculation_is_the_same_in_both_modes) {
  Visited visited;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    compare_all_ways(seed, random_case(seed, Flavour::speculation), visited);
  }
  CHECK(visited.preemptions > 100);
}

TEST(differential, drafts_of_every_law_and_method_keep_the_laws) {
  Visited visited;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    compare_all_ways(seed, random_case(seed, Flavour::drafts), visited);
  }
  CHECK(visited.preemptions > 100);
}

TEST(differential, leap_equals_step_with_batches_in_flight) {
  Visited visited;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    compare_all_ways(seed, random_case(seed, Flavour::batches_in_flight), visited);
  }
  CHECK(visited.lazy_steps * 4 > visited.steps);
  CHECK(visited.preemptions > 1000);
}

void compare_with_reference(std::uint64_t seed, Flavour flavour) {
  const ReplicaCase c = random_case(seed, flavour);
  const Outcome run = run_replica(c, Pool::blocks, Mode::leap, Record::all);
  // A call may come out empty, so the reference needs more calls than there are steps; where the
  // engine says livelock it must not end at all.
  const std::int64_t calls = 5 * run.totals.steps + (run.error ? 5000 : 100);
  const Outcome reference = run_reference(c, calls);
  expect_no_difference(rows_difference(reference, run), "reference and engine", seed, c);
}

TEST(differential, engine_follows_the_rules) {
  for (std::uint64_t seed = 1000; seed < 1300; ++seed) {
    compare_with_reference(seed, Flavour::plain);
  }
}

TEST(differential, engine_follows_the_rules_with_speculation) {
  for (std::uint64_t seed = 1000; seed < 1200; ++seed) {
    compare_with_reference(seed, Flavour::speculation);
  }
}

TEST(differential, engine_follows_the_rules_with_batches_in_flight) {
  for (std::uint64_t seed = 1000; seed < 1300; ++seed) {
    compare_with_reference(seed, Flavour::batches_in_flight);
  }
}

}  // namespace
