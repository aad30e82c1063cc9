#include "kvsim/server/replicas.hpp"

namespace kvsim {
template class Replica<BlockPool>;
}  // namespace kvsim
