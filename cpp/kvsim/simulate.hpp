// Scenario -> Result: the engine's entry, and the only place that picks template instances.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "kvsim/core/control.hpp"
#include "kvsim/result.hpp"
#include "kvsim/scenario/catalog.hpp"
#include "kvsim/scenario/scenario.hpp"
#include "kvsim/workload/request_table.hpp"

namespace kvsim {

struct Inputs {
  const Catalog* catalog = nullptr;
  const Datasets* datasets = nullptr;
  Control control;
};

// Errors: config (bad field), infeasible (does not fit), livelock, invariant, cancelled.
Result simulate(const Scenario& scenario, const Inputs& inputs);

// The same on requests that were built before (build_requests), to share them between points.
Result simulate(const Scenario& scenario, const Inputs& inputs, const RequestTable& requests);

}  // namespace kvsim
