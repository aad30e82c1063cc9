#include "kvsim/server/replicas.hpp"

namespace kvsim {
template class QueuedReplica<CountPool>;
}  // namespace kvsim
