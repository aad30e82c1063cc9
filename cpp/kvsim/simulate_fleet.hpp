// The run of a scenario with a fleet; simulate() adds what all runs have in common.
#pragma once

#include "kvsim/simulate.hpp"

namespace kvsim {

void run_fleet(const Scenario& scenario, const Inputs& inputs, const RequestTable& requests,
               Result& result);

}  // namespace kvsim
