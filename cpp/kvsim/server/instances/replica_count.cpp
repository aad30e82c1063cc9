#include "kvsim/server/replicas.hpp"

namespace kvsim {
template class Replica<CountPool>;
}  // namespace kvsim
