// Least recently used, vLLM's and the default: in order of release. It is part of BlockPool rather
// than behind EvictionPolicy, because it is a ring that costs a store a block: a block that a hit
// revives leaves a hole. A block that nobody can find any more (its request has finished and nobody
// shares the key) keeps its turn, but carries a mark, so that taking it touches nothing else.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace kvsim {

class Lru {
 public:
  static constexpr std::string_view name = "lru";
  using BlockId = std::uint32_t;
  static constexpr BlockId lost_bit = 0x80000000U;

  // At least twice the blocks: it is full only if half of it are holes, so a compaction, which
  // copies less than n entries, comes after at least n pushes.
  explicit Lru(std::size_t num_blocks)
      : ring_(std::bit_ceil(2 * num_blocks)), mask_(ring_.size() - 1), place_(num_blocks) {}

  // Pushes n lost blocks, the last one first.
  void push_lost(const BlockId* blocks, std::size_t n) {
    if (tail_ - head_ + n > ring_.size()) compact();
    for (std::size_t j = n; j > 0; --j) ring_[tail_++ & mask_] = blocks[j - 1] | lost_bit;
  }
  void push(BlockId block) {
    push_entry(block);
    place_[block] = static_cast<std::uint32_t>(tail_ - 1);
  }
  // The next entry: a block, perhaps with lost_bit. There is one.
  BlockId pop() {
    BlockId entry = 0;
    while (entry == 0) entry = ring_[head_++ & mask_];
    return entry;
  }
  void revive(BlockId block) { ring_[place_[block] & mask_] = 0; }

  template <class F>
  void for_each(F&& f) const {
    for (std::uint64_t i = head_; i < tail_; ++i) {
      if (const BlockId entry = ring_[i & mask_]; entry != 0) f(entry);
    }
  }

 private:
  void push_entry(BlockId entry) {
    if (tail_ - head_ == ring_.size()) compact();
    ring_[tail_++ & mask_] = entry;
  }
  void compact() {
    std::uint64_t out = head_;
    for (std::uint64_t i = head_; i < tail_; ++i) {
      const BlockId entry = ring_[i & mask_];
      if (entry == 0) continue;
      if ((entry & lost_bit) == 0) place_[entry] = static_cast<std::uint32_t>(out);
      ring_[out++ & mask_] = entry;
    }
    tail_ = out;
  }

  std::vector<BlockId> ring_;  // entries [head, tail), modulo its size: a block, 0 = a hole
  std::uint64_t mask_;
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
  std::vector<std::uint32_t> place_;  // of a free block: its place in ring_, low 32 bits
};

}  // namespace kvsim
