// Greedy dual with frequency (Cherkasova: Improving WWW proxies performance with
// Greedy-Dual-Size-Frequency caching. HPL-98-69R1, 1998), all blocks being of one size: the
// priority of a block is age + uses * cost, the age being the priority of the last block evicted.
// The cost is what it takes to compute the block anew, which grows with the context before it. A
// block is of use only with those before it, so it counts for at least as much as the one behind
// it. A block in use gets its age when it is released.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kvsim/kv/eviction/block_runs.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class Gdsf final : public EvictionByBlock<Gdsf> {
 public:
  static constexpr std::string_view name = "gdsf";

  explicit Gdsf(const EvictionSetup& setup)
      : attention_per_block_(setup.attention_per_block),
        free_(setup.num_blocks),
        uses_(static_cast<std::size_t>(setup.num_blocks)) {}

  void release(const Released& what, Release /*how*/) {
    const BlockId block = what.block;
    if (uses_[block] == 0) uses_[block] = 1;
    const double cost = 1 + attention_per_block_ * (what.position + 0.5);
    double priority = free_.last_popped() + static_cast<double>(uses_[block]) * cost;
    // Releases go from the tail to the head.
    if (last_position_ == what.position + 1) priority = std::max(priority, last_priority_);
    last_position_ = what.position;
    last_priority_ = priority;
    free_.push(block, priority);
  }
  void hit(BlockId block, bool was_free) override {
    if (was_free) free_.remove(block);
    uses_[block] += uses_[block] == 0 ? 2 : 1;
  }
  BlockId evict() {
    const BlockId block = free_.pop();
    uses_[block] = 0;
    return block;
  }

 private:
  double attention_per_block_;
  BlockRuns free_;                   // by priority
  std::vector<std::uint32_t> uses_;  // 0: not known
  std::uint32_t last_position_ = 0;  // of the last release
  double last_priority_ = 0;
};

}  // namespace kvsim
