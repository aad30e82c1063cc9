#include "kvsim/server/replicas.hpp"

namespace kvsim {
template class Replica<RegionPool>;
}  // namespace kvsim
