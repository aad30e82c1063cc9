// Least frequently used: the block that was asked for least often since it came into the cache, of
// equals the one released first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kvsim/kv/eviction/block_list.hpp"
#include "kvsim/kv/eviction/block_queue.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class Lfu final : public EvictionPolicy {
 public:
  static constexpr std::string_view name = "lfu";

  explicit Lfu(const EvictionSetup& setup)
      : links_(setup.num_blocks), uses_(static_cast<std::size_t>(setup.num_blocks)) {}

  void release(BlockId block, const Released& /*what*/) override {
    if (uses_[block] == 0) uses_[block] = 1;
    const std::size_t uses = uses_[block];
    if (uses >= by_uses_.size()) grow(uses);
    if (by_uses_[uses].empty()) some_.set(uses);
    links_.push(by_uses_[uses], block);
  }
  void hit(BlockId block, bool was_free) override {
    if (was_free) remove(block);
    // A block that a second request hits before its first release has been used once before.
    uses_[block] += uses_[block] == 0 ? 2 : 1;
  }
  BlockId evict() override {
    const BlockId block = by_uses_[some_.next(0)].first;
    remove(block);
    uses_[block] = 0;
    return block;
  }

 private:
  void remove(BlockId block) {
    BlockLinks::List& list = by_uses_[uses_[block]];
    links_.remove(list, block);
    if (list.empty()) some_.clear(uses_[block]);
  }
  void grow(std::size_t uses) {
    by_uses_.resize(2 * uses);
    some_ = BitTree(2 * uses);
    for (std::size_t i = 0; i < by_uses_.size(); ++i) {
      if (!by_uses_[i].empty()) some_.set(i);
    }
  }

  BlockLinks links_;
  std::vector<BlockLinks::List> by_uses_ = std::vector<BlockLinks::List>(64);  // free blocks
  BitTree some_ = BitTree(64);                                                 // not empty
  std::vector<std::uint32_t> uses_;                                            // 0: not known
};

}  // namespace kvsim
