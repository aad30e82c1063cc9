// What a placement is: it finds contiguous pieces of one address space of token slots.
// placements.hpp lists those that there are, one file each.
#pragma once

#include <cstdint>

namespace kvsim {

class PlacementPolicy {
 public:
  static constexpr std::int64_t nowhere = -1;

  PlacementPolicy() = default;
  PlacementPolicy(const PlacementPolicy&) = delete;
  PlacementPolicy& operator=(const PlacementPolicy&) = delete;
  virtual ~PlacementPolicy() = default;

  // The most slots that a request can get while nobody else has any.
  [[nodiscard]] virtual std::int64_t largest() const = 0;
  // Slots that a request for so many takes.
  [[nodiscard]] virtual std::int64_t rounded(std::int64_t slots) const { return slots; }
  // The first slot of a piece of rounded(slots), which is then taken; nowhere if there is none.
  virtual std::int64_t place(std::int64_t slots) = 0;
  // Gives back what place(slots) returned.
  virtual void release(std::int64_t at, std::int64_t slots) = 0;
};

}  // namespace kvsim
