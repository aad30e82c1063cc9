// Workload -> RequestTable.
#pragma once

#include <cstdint>

#include "kvsim/core/control.hpp"
#include "kvsim/scenario/workload_types.hpp"
#include "kvsim/workload/request_table.hpp"

namespace kvsim {

// Request r of a workload depends on (seed, r) alone, a session's turn on (seed, session, turn);
// the arrivals, lengths, prefixes and priorities draw from streams of their own. So with one seed a
// change of one of them leaves the others as they are, and a higher rate only compresses time.
//
// Prefix keys are built if need_keys (prefix caching is on). Fails with ErrorKind::config and the
// field's path, "workload." in front.
RequestTable build_requests(const Workload& workload, const Datasets& datasets,
                            std::int64_t block_size, std::uint64_t seed, bool need_keys,
                            Control control = {});

}  // namespace kvsim
