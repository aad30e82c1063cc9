// The replicas there are. Each instance is compiled once, in a file of instances/: the loops over
// every step-time model are most of what a compiler has to do here.
#pragma once

#include "kvsim/server/queued_alone.hpp"
#include "kvsim/server/replica_leap.hpp"
#include "kvsim/server/static_replica.hpp"

namespace kvsim {

extern template class Replica<BlockPool>;
extern template class Replica<CountPool>;
extern template class Replica<RegionPool>;
extern template class QueuedReplica<BlockPool>;
extern template class QueuedReplica<CountPool>;
extern template class StaticReplica<CountPool>;
extern template class StaticReplica<RegionPool>;

}  // namespace kvsim
