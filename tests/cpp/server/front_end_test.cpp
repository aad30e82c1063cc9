// Requests reach the scheduler some time after they are sent; latencies count from the sending.

#include <cstdint>

#include "check.hpp"
#include "random.hpp"
#include "server/replica_run.hpp"

namespace {

using kvsim::Mode;
using kvsim::Record;
using namespace kvsim_test;

ReplicaCase delayed(double ms, double us_per_token) {
  ReplicaCase c = small_case(2000);
  c.engine.frontend_ms = ms;
  c.engine.frontend_us_per_prompt_token = us_per_token;
  return c;
}

TEST(front_end, delays_a_request_alone) {
  ReplicaCase c = delayed(5, 2);
  c.add(1'000'000, 100, 2);
  const Outcome o = run_replica(c, Pool::count, Mode::leap, Record::requests);
  CHECK_EQ(o.requests.arrival_ns[0], 1'000'000);
  CHECK_EQ(o.requests.scheduled_ns[0], 1'000'000 + 5'000'000 + 200'000);
  CHECK_EQ(o.requests.first_token_ns[0] - o.requests.scheduled_ns[0], 1000 + 10 * 100 + 10);
  CHECK_EQ(o.totals.start_ns, 1'000'000);
}

TEST(front_end, short_prompts_overtake_long_ones) {
  ReplicaCase c = delayed(0, 100);
  c.engine.max_num_seqs = 1;
  c.add(0, 400, 1);
  c.add(0, 100, 1);
  const Outcome o = run_replica(c, Pool::count, Mode::step, Record::requests);
  CHECK(o.requests.scheduled_ns[1] < o.requests.scheduled_ns[0]);
  CHECK_EQ(o.requests.scheduled_ns[1], 10'000'000);
}

// Little's law is checked at the end of every run.
TEST(front_end, leaps_and_waterfalls_stay_exact) {
  for (int i = 0; i < 60; ++i) {
    Random random(static_cast<std::uint64_t>(i));
    ReplicaCase c = delayed(0.001 * static_cast<double>(random.between(0, 40)),
                            0.01 * static_cast<double>(random.between(0, 30)));
    c.engine.num_gpu_blocks = random.between(80, 400);
    c.engine.enable_prefix_caching = random.between(0, 1) == 1;
    c.engine.async_scheduling = random.between(0, 1) == 1;
    c.pipeline_parallel_size = random.between(0, 3) == 0 ? 2 : 1;
    const bool closed = random.between(0, 1) == 1;
    kvsim::Ns at = 0;
    for (int r = 0; r < 60; ++r) {
      at += random.between(0, 20'000);
      c.add(closed ? (r < 12 ? 0 : -1) : at, static_cast<std::int32_t>(random.between(1, 300)),
            static_cast<std::int32_t>(random.between(1, 60)));
    }
    if (closed) c.requests.closed_loop_concurrency = 12;
    const Outcome step = run_replica(c, Pool::blocks, Mode::step, Record::all);
    const Outcome leap = run_replica(c, Pool::blocks, Mode::leap, Record::all);
    CHECK_EQ(step.message, "");
    CHECK_EQ(first_difference(step, leap), "");
    CHECK_EQ(waterfall_gap(leap), "");
    for (std::size_t r = 0; r < 60; ++r) {
      const double delay = c.engine.frontend_ms * 1e6 + c.engine.frontend_us_per_prompt_token *
                                                            1e3 * c.requests.prompt_tokens[r];
      const auto wait = step.requests.scheduled_ns[r] - step.requests.arrival_ns[r];
      CHECK(static_cast<double>(wait) >= delay - 0.5);
    }
  }
}

}  // namespace
