// What must hold of every run that ended (docs/invariants.md).
#pragma once

#include <string>

#include "server/replica_run.hpp"

namespace kvsim_test {

// Empty, or which law a run with rows (record steps or all) breaks, and where.
std::string broken_law(const ReplicaCase& c, const Outcome& run);

}  // namespace kvsim_test
