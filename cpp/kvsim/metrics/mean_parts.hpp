// Where the time of requests went, as means over those between two percentiles of a latency.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "kvsim/result.hpp"

namespace kvsim {

enum class LatencyKind : bool { e2e, ttft };

struct MeanParts {
  std::int64_t requests = 0;  // that the means are over
  // Part and milliseconds, in the order of docs/metrics.md; they add up to the mean latency. Empty
  // if the parts were not kept.
  std::vector<std::pair<std::string_view, double>> parts_ms;
};

// Of the requests whose rank is between `low` and `high` percent; at least one. Sums are integers,
// divided once.
[[nodiscard]] MeanParts mean_parts(const RequestColumns& c, LatencyKind latency, double low,
                                   double high);

}  // namespace kvsim
