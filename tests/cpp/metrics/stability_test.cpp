#include "kvsim/metrics/stability.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "check.hpp"
#include "metrics/simulated_queue.hpp"

using kvsim::Ns;
using kvsim_test::queue;
using kvsim_test::QueueRun;

namespace {

// How many of `runs` queues are called unstable.
int alarms(int runs, int n, double rho, int cluster = 1) {
  int count = 0;
  for (int seed = 0; seed < runs; ++seed) {
    count += queue(static_cast<std::uint64_t>(1000 * n + seed), n, rho, cluster).unstable() ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST(stability, stable_queues_are_not_called_unstable) {
  CHECK_EQ(alarms(200, 1000, 0.5), 0);
  CHECK_EQ(alarms(200, 1000, 0.8), 0);
  CHECK(alarms(400, 1000, 0.9) <= 4);
  CHECK(alarms(400, 2000, 0.9) <= 4);
  CHECK(alarms(50, 20000, 0.9) == 0);
  CHECK(alarms(50, 20000, 0.95) <= 1);
  CHECK(alarms(400, 2000, 0.9, 5) <= 4);
}

TEST(stability, overloaded_queues_are) {
  CHECK(alarms(200, 2000, 1.1) >= 185);
  CHECK(alarms(100, 5000, 1.1) >= 98);
  CHECK_EQ(alarms(100, 2000, 1.3), 100);
  CHECK_EQ(alarms(20, 20000, 1.1), 20);
}

// Waits that rise and fall while the queue never empties have no trend.
TEST(stability, a_queue_that_never_empties_is_overloaded_without_a_trend) {
  QueueRun run;
  for (int i = 0; i < 4000; ++i) {
    const double t = 1e6 * i;
    const double wait = 2e8 + 5e4 * std::abs(2000 - i);
    run.arrival.push_back(static_cast<Ns>(t));
    run.scheduled.push_back(static_cast<Ns>(t + wait));
    run.finish.push_back(static_cast<Ns>(t + wait + 1e6));
  }
  const kvsim::Drift drift = kvsim::queue_drift(run.arrival, run.scheduled, run.finish);
  CHECK(drift.unstable);
  CHECK(!drift.grows);
  CHECK_NEAR(drift.least_wait_ms, 200, 1);
  run.scheduled[3500] = run.arrival[3500];  // it empties once
  CHECK(!run.unstable());
}

TEST(stability, order_of_rows_does_not_matter) {
  QueueRun run = queue(1, 3000, 1.2);
  REQUIRE(run.unstable());
  std::reverse(run.arrival.begin(), run.arrival.end());
  std::reverse(run.scheduled.begin(), run.scheduled.end());
  std::reverse(run.finish.begin(), run.finish.end());
  CHECK(run.unstable());
}

TEST(stability, small_runs_bursts_and_empty_queues_are_not_judged) {
  CHECK(!queue(1, 199, 5).unstable());
  QueueRun run = queue(1, 1000, 5);
  std::fill(run.arrival.begin(), run.arrival.end(), 0);
  CHECK(!run.unstable());
  run = queue(1, 1000, 0.5);
  run.scheduled = run.arrival;
  CHECK(!run.unstable());
  CHECK(!kvsim::drifts_up({}, {}, {}));
}

TEST(stability, reports_the_excess_load) {
  // At load rho the wait grows by rho - 1 per unit of time.
  const QueueRun run = queue(3, 100'000, 1.25);
  const auto drift = kvsim::queue_drift(run.arrival, run.scheduled, run.finish);
  CHECK(drift.unstable);
  CHECK_NEAR(drift.excess_load, 0.25, 0.02);
  CHECK(drift.last_wait_ms > drift.first_wait_ms);
}
