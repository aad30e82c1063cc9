#include "kvsim/version.hpp"

namespace kvsim {

const char* version() { return KVSIM_VERSION; }

}  // namespace kvsim
