// Whether the queue of an open-loop run drifts up: the status `unstable` (docs/metrics.md).
#pragma once

#include <span>

#include "kvsim/core/time.hpp"

namespace kvsim {

// What the test looked at; `unstable` is the verdict.
struct Drift {
  bool unstable = false;
  bool grows = false;        // waits have a trend; an unstable run without one never empties
  double excess_load = 0;    // seconds of wait gained per second of arrivals, over the window
  double first_wait_ms = 0;  // mean wait of the window's first fifth of requests
  double last_wait_ms = 0;   // and of its last fifth
  double least_wait_ms = 0;  // of any request in the window
};

// Rows are requests in any order; waits are scheduled - arrival. Never unstable below
// `drift_min_requests` requests or if all arrive at one time.
inline constexpr std::int64_t drift_min_requests = 200;
Drift queue_drift(std::span<const Ns> arrival_ns, std::span<const Ns> scheduled_ns,
                  std::span<const Ns> finish_ns);

inline bool drifts_up(std::span<const Ns> arrival_ns, std::span<const Ns> scheduled_ns,
                      std::span<const Ns> finish_ns) {
  return queue_drift(arrival_ns, scheduled_ns, finish_ns).unstable;
}

}  // namespace kvsim
