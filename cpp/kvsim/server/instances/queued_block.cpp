#include "kvsim/server/replicas.hpp"

namespace kvsim {
template class QueuedReplica<BlockPool>;
}  // namespace kvsim
