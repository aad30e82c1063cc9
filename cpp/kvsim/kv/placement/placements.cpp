#include "kvsim/kv/placement/placements.hpp"

namespace kvsim {

std::unique_ptr<PlacementPolicy> make_placement(Placement which, std::int64_t slots) {
  return Placements::make<PlacementPolicy>(which, slots);
}

}  // namespace kvsim
