// Blocks in order of insertion, free or in use; finds the next free one from any place without
// walking over those in use: a ring of places with bitmaps, 64 places a word and 64 words a word.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvsim {

class BitTree {
 public:
  static constexpr std::size_t none = ~std::size_t{0};

  explicit BitTree(std::size_t bits) {
    do {
      bits = (bits + 63) / 64;
      levels_.emplace_back(bits);
    } while (bits > 1);
  }

  void set(std::size_t i) {
    for (auto& level : levels_) {
      level[i / 64] |= std::uint64_t{1} << (i % 64);
      i /= 64;
    }
  }
  void clear(std::size_t i) {
    for (auto& level : levels_) {
      level[i / 64] &= ~(std::uint64_t{1} << (i % 64));
      i /= 64;
      if (level[i] != 0) return;
    }
  }
  // The first set bit at or after i, none if there is none.
  [[nodiscard]] std::size_t next(std::size_t i) const {
    std::size_t h = 0;
    for (; h < levels_.size(); ++h) {
      const std::size_t word = i / 64;
      if (word >= levels_[h].size()) return none;
      const std::uint64_t bits = levels_[h][word] & (~std::uint64_t{0} << (i % 64));
      if (bits != 0) {
        i = 64 * word + static_cast<std::size_t>(std::countr_zero(bits));
        break;
      }
      i = word + 1;
    }
    if (h == levels_.size()) return none;
    while (h > 0) {
      --h;
      i = 64 * i + static_cast<std::size_t>(std::countr_zero(levels_[h][i]));
    }
    return i;
  }

 private:
  std::vector<std::vector<std::uint64_t>> levels_;  // the first has a bit a place
};

class BlockQueue {
 public:
  using BlockId = std::uint32_t;
  static constexpr BlockId none = 0;  // block 0 is never in a queue

  explicit BlockQueue(std::int64_t num_blocks)
      : places_(std::bit_ceil(2 * static_cast<std::size_t>(num_blocks) + 1)),
        block_at_(places_),
        place_of_(static_cast<std::size_t>(num_blocks)),
        members_(places_),
        free_(places_) {}

  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] std::int64_t num_free() const { return num_free_; }

  // Appends a free block.
  void push(BlockId block) {
    if (end_ == places_) compact();
    block_at_[end_] = block;
    place_of_[block] = static_cast<std::uint32_t>(end_);
    members_.set(end_);
    free_.set(end_);
    ++end_;
    ++size_;
    ++num_free_;
  }
  // Takes out a free block; the hand, if it stood there, moves on.
  void remove(BlockId block) {
    const std::size_t at = place_of_[block];
    members_.clear(at);
    free_.clear(at);
    --size_;
    --num_free_;
  }
  void set_free(BlockId block) {
    first_ = std::min<std::size_t>(first_, place_of_[block]);
    free_.set(place_of_[block]);
    ++num_free_;
  }
  void set_used(BlockId block) {
    free_.clear(place_of_[block]);
    --num_free_;
  }
  // The oldest free block; there is one.
  [[nodiscard]] BlockId oldest() {
    first_ = free_.next(first_);
    return block_at_[first_];
  }

  // The free block at the hand or the next newer one, from the oldest again behind the newest.
  [[nodiscard]] BlockId at_hand() {
    const std::size_t at = free_.next(hand_);
    return at == BitTree::none ? oldest() : block_at_[at];
  }
  // Moves the hand to the next newer block, in use or not; behind the newest: to the oldest.
  void move_hand_past(BlockId block) {
    const std::size_t at = members_.next(place_of_[block] + 1);
    hand_ = at == BitTree::none ? 0 : at;
  }

 private:
  // Moves the members to the front; at least half of the places are gaps.
  void compact() {
    std::size_t out = 0;
    std::size_t hand = 0;
    for (std::size_t i = members_.next(0); i != BitTree::none; i = members_.next(i + 1)) {
      const bool is_free = free_.next(i) == i;
      if (i >= hand_ && hand == 0) hand = out + 1;
      const BlockId block = block_at_[i];
      members_.clear(i);
      free_.clear(i);
      members_.set(out);
      if (is_free) free_.set(out);
      block_at_[out] = block;
      place_of_[block] = static_cast<std::uint32_t>(out++);
    }
    hand_ = hand == 0 ? 0 : hand - 1;
    end_ = out;
    first_ = 0;
  }

  std::size_t places_;
  std::vector<BlockId> block_at_;
  std::vector<std::uint32_t> place_of_;
  BitTree members_;
  BitTree free_;
  std::size_t end_ = 0;
  std::size_t hand_ = 0;
  std::size_t first_ = 0;  // no free block stands before it
  std::int64_t size_ = 0;
  std::int64_t num_free_ = 0;
};

}  // namespace kvsim
