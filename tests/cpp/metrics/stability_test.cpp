#include "kvsim/metrics/stability.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "check.hpp"
#include "kvsim/core/math.hpp"

using kvsim::Ns;

namespace {

struct Run {
  std::vector<Ns> arrival, scheduled, finish;
  [[nodiscard]] bool unstable() const { return kvsim::drifts_up(arrival, scheduled, finish); }
};

// A single server, exponential gaps and services of mean 1 ms (utilisation rho), first come first
// served. `cluster` requests arrive at a time, at the same rate of requests.
Run queue(std::uint64_t seed, int n, double rho, int cluster = 1) {
  std::mt19937_64 bits(seed);
  const auto exponential = [&bits](double mean) {
    return -mean * kvsim::math::log((static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53);
  };
  Run run;
  double t = 0;
  double free = 0;
  for (int i = 0; i < n; ++i) {
    if (i % cluster == 0) t += exponential(1e6 * cluster / rho);
    const double start = std::max(t, free);
    free = start + exponential(1e6);
    run.arrival.push_back(static_cast<Ns>(t));
    run.scheduled.push_back(static_cast<Ns>(start));
    run.finish.push_back(static_cast<Ns>(free));
  }
  return run;
}

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

TEST(stability, order_of_rows_does_not_matter) {
  Run run = queue(1, 3000, 1.2);
  REQUIRE(run.unstable());
  std::reverse(run.arrival.begin(), run.arrival.end());
  std::reverse(run.scheduled.begin(), run.scheduled.end());
  std::reverse(run.finish.begin(), run.finish.end());
  CHECK(run.unstable());
}

TEST(stability, small_runs_bursts_and_empty_queues_are_not_judged) {
  CHECK(!queue(1, 199, 5).unstable());
  Run run = queue(1, 1000, 5);
  std::fill(run.arrival.begin(), run.arrival.end(), 0);
  CHECK(!run.unstable());
  run = queue(1, 1000, 0.5);
  run.scheduled = run.arrival;
  CHECK(!run.unstable());
  CHECK(!kvsim::drifts_up({}, {}, {}));
}

TEST(stability, reports_the_excess_load) {
  // At load rho the wait grows by rho - 1 per unit of time.
  const Run run = queue(3, 100'000, 1.25);
  const auto drift = kvsim::queue_drift(run.arrival, run.scheduled, run.finish);
  CHECK(drift.unstable);
  CHECK_NEAR(drift.excess_load, 0.25, 0.02);
  CHECK(drift.last_wait_ms > drift.first_wait_ms);
}
