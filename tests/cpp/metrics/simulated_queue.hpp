// A single server's queue, for what judges queues.
#pragma once

#include <random>
#include <vector>

#include "kvsim/core/math.hpp"
#include "kvsim/metrics/stability.hpp"

namespace kvsim_test {

using kvsim::Ns;

struct QueueRun {
  std::vector<Ns> arrival, scheduled, finish;
  [[nodiscard]] bool unstable() const { return kvsim::drifts_up(arrival, scheduled, finish); }
};

// A single server, exponential gaps, services of mean 1 ms that are exponential or deterministic
// (utilisation rho), first come first served. `cluster` requests arrive at a time, at the same rate
// of requests.
inline QueueRun queue(std::uint64_t seed, int n, double rho, int cluster = 1,
                      bool deterministic = false) {
  std::mt19937_64 bits(seed);
  const auto exponential = [&bits](double mean) {
    return -mean * kvsim::math::log((static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53);
  };
  QueueRun run;
  double t = 0;
  double free = 0;
  for (int i = 0; i < n; ++i) {
    if (i % cluster == 0) t += exponential(1e6 * cluster / rho);
    const double start = std::max(t, free);
    free = start + (deterministic ? 1e6 : exponential(1e6));
    run.arrival.push_back(static_cast<Ns>(t));
    run.scheduled.push_back(static_cast<Ns>(start));
    run.finish.push_back(static_cast<Ns>(free));
  }
  return run;
}

}  // namespace kvsim_test
