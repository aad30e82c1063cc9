#include "kvsim/server/replicas.hpp"

namespace kvsim {
template class StaticReplica<RegionPool>;
}  // namespace kvsim
