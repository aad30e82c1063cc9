// Blocks by a key that is never below the last one popped, the smallest first, of equals the one
// pushed first: a radix heap (Ahuja, Mehlhorn, Orlin, Tarjan: Faster algorithms for the shortest
// path problem. J. ACM 37, 1990) of lists, so that a block can be taken out of the middle. A block
// moves to a lower list at most 64 times, in practice a few.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvsim/kv/eviction/block_list.hpp"

namespace kvsim {

class RisingHeap {
 public:
  using BlockId = BlockLinks::BlockId;

  explicit RisingHeap(std::int64_t num_blocks)
      : links_(num_blocks), key_(static_cast<std::size_t>(num_blocks)) {}

  // Not negative, not below the last one popped.
  void push(BlockId block, double key) {
    key_[block] = std::bit_cast<std::uint64_t>(key);  // in the order of the numbers, from 0 on
    place(block);
  }
  void remove(BlockId block) {
    const std::size_t i = list_of(key_[block]);
    links_.remove(lists_[i], block);
    if (lists_[i].empty()) some_ &= ~(std::uint64_t{1} << i);
  }
  // Takes the least out; there is one. Its key is last_popped() then.
  BlockId pop() {
    if (lists_[0].empty()) refill();
    const BlockId block = lists_[0].first;
    links_.remove(lists_[0], block);
    return block;
  }
  [[nodiscard]] double last_popped() const { return std::bit_cast<double>(last_); }

 private:
  // By the highest bit that differs from the last key popped.
  [[nodiscard]] std::size_t list_of(std::uint64_t key) const {
    return static_cast<std::size_t>(std::bit_width(key ^ last_));
  }
  void place(BlockId block) {
    const std::size_t i = list_of(key_[block]);
    links_.push(lists_[i], block);
    if (i > 0) some_ |= std::uint64_t{1} << i;
  }
  // The lists below the first that has blocks are empty, so all of it goes there, in its order.
  void refill() {
    const auto i = static_cast<std::size_t>(std::countr_zero(some_));
    BlockId block = lists_[i].first;
    last_ = key_[block];
    for (BlockId b = block; b != BlockLinks::none; b = links_.next(b)) {
      if (key_[b] < last_) last_ = key_[b];
    }
    lists_[i] = {};
    some_ &= ~(std::uint64_t{1} << i);
    while (block != BlockLinks::none) {
      const BlockId after = links_.next(block);
      place(block);
      block = after;
    }
  }

  BlockLinks links_;
  std::vector<std::uint64_t> key_;
  std::uint64_t last_ = 0;
  std::array<BlockLinks::List, 64> lists_{};  // keys are not negative: the top bit never differs
  std::uint64_t some_ = 0;                    // lists above the first that have blocks
};

}  // namespace kvsim
