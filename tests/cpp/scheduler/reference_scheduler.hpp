// vLLM's engine loop around the scheduler of reference_rules.hpp: what the golden cases do not pin,
// this does.
#pragma once

#include <cstdint>

#include "server/replica_run.hpp"

namespace kvsim_test {

// Rows of steps and entries and the columns of requests; totals and waterfalls stay empty. Gives up
// after `most_calls` of schedule(), with livelock as its error.
Outcome run_reference(const ReplicaCase& c, std::int64_t most_calls);

}  // namespace kvsim_test
