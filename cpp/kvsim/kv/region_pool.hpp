// KV memory handed out in one contiguous piece a request, for all of its life. Nothing is taken
// later, so the counts of blocks, which the scheduler asks a pool for, only serve statistics.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "kvsim/kv/placement/placements.hpp"

namespace kvsim {

class RegionPool {
 public:
  static constexpr bool has_ids = false;
  static constexpr bool has_cache = false;
  static constexpr bool has_regions = true;

  RegionPool(std::int64_t num_gpu_blocks, std::int64_t block_size)
      : usable_(num_gpu_blocks - 1), block_size_(block_size), free_slots_(usable_ * block_size) {}

  void use_placement(Placement which) { placement_ = make_placement(which, free_slots_); }

  // A piece of `reserved` slots for request r, of which it will fill `needed`; false if there is
  // none.
  bool place(std::uint32_t r, std::int64_t reserved, std::int64_t needed) {
    const std::int64_t at = placement_->place(reserved);
    if (at == PlacementPolicy::nowhere) return false;
    regions_.push_back({r, at, reserved, needed, placement_->rounded(reserved)});
    if (place_.size() <= r) place_.resize(std::size_t{r} + 1);
    place_[r] = static_cast<std::uint32_t>(regions_.size() - 1);
    count(regions_.back(), 1);
    return true;
  }
  void release(std::uint32_t r) {
    const std::uint32_t i = place_[r];
    count(regions_[i], -1);
    placement_->release(regions_[i].at, regions_[i].reserved);
    regions_[i] = regions_.back();
    place_[regions_[i].request] = i;
    regions_.pop_back();
  }

  struct Region {
    std::uint32_t request;
    std::int64_t at;
    std::int64_t reserved;
    std::int64_t needed;   // slots that it will have filled at its end
    std::int64_t rounded;  // what the placement made of `reserved`
  };
  [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }
  // Sums over the regions.
  [[nodiscard]] std::int64_t reserved_slots() const { return reserved_slots_; }
  [[nodiscard]] std::int64_t needed_slots() const { return needed_slots_; }
  [[nodiscard]] std::int64_t free_slots() const { return free_slots_; }

  [[nodiscard]] std::int64_t usable() const { return usable_; }
  [[nodiscard]] std::int64_t free() const { return free_slots_ / block_size_; }
  void take(std::int64_t /*none*/) {}

 private:
  void count(const Region& region, std::int64_t sign) {
    reserved_slots_ += sign * region.reserved;
    needed_slots_ += sign * region.needed;
    free_slots_ -= sign * region.rounded;
  }

  std::int64_t usable_;
  std::int64_t block_size_;
  std::int64_t free_slots_;
  std::int64_t reserved_slots_ = 0;
  std::int64_t needed_slots_ = 0;
  std::unique_ptr<PlacementPolicy> placement_;
  std::vector<Region> regions_;       // in no order
  std::vector<std::uint32_t> place_;  // by request
};

}  // namespace kvsim
