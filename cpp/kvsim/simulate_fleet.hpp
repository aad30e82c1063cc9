// The run of a scenario with a fleet; simulate() adds what all runs have in common.
#pragma once

#include "kvsim/simulate.hpp"

namespace kvsim {

// Inter-token gaps are counted in calls from `gaps_from` on.
void run_fleet(const Scenario& scenario, const Inputs& inputs, const RequestTable& requests,
               Ns gaps_from, Result& result);

}  // namespace kvsim
