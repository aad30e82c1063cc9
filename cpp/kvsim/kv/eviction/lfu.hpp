// Least frequently used: the block that was asked for least often since it came into the cache, of
// equals the one released first.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "kvsim/kv/eviction/block_heap.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class Lfu final : public EvictionPolicy {
 public:
  static constexpr std::string_view name = "lfu";

  explicit Lfu(const EvictionSetup& setup)
      : free_(setup.num_blocks), uses_(static_cast<std::size_t>(setup.num_blocks)) {}

  void release(BlockId block, const Released& /*what*/) override {
    if (uses_[block] == 0) uses_[block] = 1;
    free_.push(block, {uses_[block], ++releases_});
  }
  void hit(BlockId block, bool was_free) override {
    if (was_free) free_.remove(block);
    // A block that a second request hits before its first release has been used once before.
    uses_[block] += uses_[block] == 0 ? 2 : 1;
  }
  BlockId evict() override {
    const BlockId block = free_.pop();
    uses_[block] = 0;
    return block;
  }

 private:
  BlockHeap<std::pair<std::uint64_t, std::uint64_t>> free_;  // (uses, release)
  std::vector<std::uint64_t> uses_;                          // 0: not known
  std::uint64_t releases_ = 0;
};

}  // namespace kvsim
