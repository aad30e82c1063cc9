// Where the steady part of a run begins.
#pragma once

#include <cstdint>
#include <span>

#include "kvsim/result.hpp"
#include "kvsim/scenario/warmup_types.hpp"

namespace kvsim {

struct WarmupCut {
  std::int64_t requests = 0;  // the first so many by arrival are left out
  bool steady = true;         // false: the rule found no steady part, half of the run is left out
};

// MSER-5: the series in batches of five; the cut that minimises the squared standard error of the
// mean of what is left. A minimum in the second half means that the run is too short. Series of
// fewer than 50 values are not cut. White (1997), "An effective truncation heuristic for bias
// reduction in simulation output", Simulation 69(6); White and Robinson (2010), "The problem of the
// initial transient (again)", J. Simulation 4(4).
WarmupCut mser5(std::span<const double> series);

// The cut that a scenario's rule makes in a run's completed requests, which stand in any order.
// Fails (config) if it would leave nothing.
WarmupCut warmup_cut(const Warmup& rule, const RequestColumns& requests);

}  // namespace kvsim
