// Capacity of a server, and the knee of its latency over load (docs/metrics.md).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "kvsim/core/time.hpp"

namespace kvsim {

// Completions per second in the steady part of a run under permanent backlog: from when the batch
// has turned over twice (or a quarter of the completions, if that is earlier) until the last
// request is admitted. None if no time passes in between.
[[nodiscard]] std::optional<double> backlog_throughput(std::vector<Ns> finish_ns,
                                                       std::span<const Ns> scheduled_ns,
                                                       std::int64_t max_running);

// The lowest load whose latency is `factor` times that of the lowest load measured.
struct KneePoint {
  double offered_per_s = 0;
  double achieved_per_s = 0;
  double latency = 0;  // factor * low_load
  double low_load = 0;
};
inline constexpr double knee_factor = 5;

// Between two points the reciprocal of the latency is taken as linear in the offered rate, which
// that of an M/M/1 queue is (its P99 is ln(100) / (mu - lambda)): there the knee is at .8 of the
// capacity. Points with a number that is not finite are left out. None if no point is so slow.
[[nodiscard]] std::optional<KneePoint> find_knee(std::span<const double> offered_per_s,
                                                 std::span<const double> achieved_per_s,
                                                 std::span<const double> latency);

}  // namespace kvsim
