// Least frequently used: the block that was asked for least often since it came into the cache, of
// equals the one released first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kvsim/kv/eviction/bit_tree.hpp"
#include "kvsim/kv/eviction/block_ring.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class Lfu final : public EvictionByBlock<Lfu> {
 public:
  static constexpr std::string_view name = "lfu";

  explicit Lfu(const EvictionSetup& setup)
      : uses_(static_cast<std::size_t>(setup.num_blocks)),
        place_(static_cast<std::size_t>(setup.num_blocks)) {}

  void release(const Released& what, Release /*how*/) {
    const BlockId block = what.block;
    if (uses_[block] == 0) uses_[block] = 1;
    const std::size_t uses = uses_[block];
    if (uses >= by_uses_.size()) grow(uses);
    if (by_uses_[uses].empty()) some_.set(uses);
    place_[block] = by_uses_[uses].push(
        block, [this](BlockId moved, BlockRing::Place place) { place_[moved] = place; });
  }
  void hit(BlockId block, bool was_free) override {
    if (was_free) {
      BlockRing& ring = by_uses_[uses_[block]];
      ring.remove(place_[block]);
      if (ring.empty()) some_.clear(uses_[block]);
    }
    // A block that a second request hits before its first release has been used once before.
    uses_[block] += uses_[block] == 0 ? 2 : 1;
  }
  BlockId evict() {
    const std::size_t uses = some_.next(0);
    const BlockId block = by_uses_[uses].pop();
    if (by_uses_[uses].empty()) some_.clear(uses);
    uses_[block] = 0;
    return block;
  }

 private:
  void grow(std::size_t uses) {
    by_uses_.resize(2 * uses);
    some_ = BitTree(2 * uses);
    for (std::size_t i = 0; i < by_uses_.size(); ++i) {
      if (!by_uses_[i].empty()) some_.set(i);
    }
  }

  std::vector<BlockRing> by_uses_ = std::vector<BlockRing>(64);  // free blocks
  BitTree some_ = BitTree(64);                                   // not empty
  std::vector<std::uint32_t> uses_;                              // 0: not known
  std::vector<BlockRing::Place> place_;                          // of a free block
};

}  // namespace kvsim
