#include "kvsim/server/replicas.hpp"

namespace kvsim {
template class StaticReplica<CountPool>;
}  // namespace kvsim
