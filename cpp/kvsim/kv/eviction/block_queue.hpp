// Blocks in order of insertion, free or in use; finds the next free one from any place without
// walking over those in use: places with bitmaps (bit_tree.hpp).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvsim/core/prefetch.hpp"
#include "kvsim/kv/eviction/bit_tree.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class BlockQueue {
 public:
  using BlockId = std::uint32_t;
  static constexpr BlockId none = 0;  // block 0 is never in a queue

  explicit BlockQueue(std::int64_t num_blocks)
      : places_(std::bit_ceil(2 * static_cast<std::size_t>(num_blocks) + 1)),
        at_(places_),
        place_of_(static_cast<std::size_t>(num_blocks)),
        members_(places_),
        free_(places_) {}

  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] std::int64_t num_free() const { return num_free_; }

  void will_push(BlockId block) const { prefetch(&place_of_[block]); }
  // Appends a free block, with a note that stays at its place.
  void push(BlockId block, std::uint32_t note = 0) {
    if (end_ == places_) compact();
    at_[end_] = {block, note};
    place_of_[block] = static_cast<std::uint32_t>(end_);
    members_.set(end_);
    free_.set(end_);
    ++end_;
    ++size_;
    ++num_free_;
  }
  // Blocks that are free from now on: those known stand here in use, others are appended.
  void release_all(const EvictionPolicy::ReleasedBlock* blocks, std::size_t n,
                   std::vector<bool>& known) {
    std::size_t fresh = 0;  // just before i
    for (std::size_t i = 0; i <= n; ++i) {
      if (i < n && !known[blocks[i].block]) {
        known[blocks[i].block] = true;
        ++fresh;
        continue;
      }
      const EvictionPolicy::ReleasedBlock* first = blocks + i - fresh;
      push_all(fresh, [first](std::size_t k) { return Entry{first[k].block, 0}; });
      fresh = 0;
      if (i < n) set_free(blocks[i].block);
    }
  }
  struct Entry {
    BlockId block = none;
    std::uint32_t note = 0;
  };
  // Appends n free blocks, entry(i) being the i-th.
  template <class EntryOf>
  void push_all(std::size_t n, EntryOf&& entry) {
    if (end_ + n > places_) compact();
    for (std::size_t i = 0; i < n; ++i) {
      const Entry added = entry(i);
      at_[end_ + i] = added;
      place_of_[added.block] = static_cast<std::uint32_t>(end_ + i);
    }
    members_.set_range(end_, end_ + n);
    free_.set_range(end_, end_ + n);
    end_ += n;
    size_ += static_cast<std::int64_t>(n);
    num_free_ += static_cast<std::int64_t>(n);
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

  // Places hold until the next push.
  using Place = std::size_t;
  [[nodiscard]] BlockId block_at(Place at) const { return at_[at].block; }
  [[nodiscard]] std::uint32_t note_at(Place at) const { return at_[at].note; }
  // Takes out the free block there.
  void remove_at(Place at) {
    members_.clear(at);
    free_.clear(at);
    --size_;
    --num_free_;
  }
  // The oldest free block; there is one.
  [[nodiscard]] Place oldest() {
    first_ = free_.next(first_);
    return first_;
  }
  // Passes over the free blocks of the word of places with the free one at `first`, from there on,
  // in order, until go(block, note) says to stop. It answers with what becomes of the block, too.
  enum class Pass : std::uint8_t { keep, take, take_and_stop };
  template <class F>
  Place pass_word(Place first, F&& go) {
    std::uint64_t left = free_.word(first) & (~std::uint64_t{0} << (first % 64));
    std::uint64_t taken = 0;
    Place last = first;
    for (Pass pass = Pass::keep; left != 0 && pass != Pass::take_and_stop; left &= left - 1) {
      last = first - first % 64 + static_cast<Place>(std::countr_zero(left));
      pass = go(at_[last].block, at_[last].note);
      if (pass != Pass::keep) taken |= left & (~left + 1);
    }
    if (taken == 0) return last;
    members_.clear_word(first, taken);
    free_.clear_word(first, taken);
    const std::int64_t count = std::popcount(taken);
    size_ -= count;
    num_free_ -= count;
    return last;
  }
  // The free block at the hand or the next newer one, from the oldest again behind the newest.
  [[nodiscard]] Place at_hand() {
    const std::size_t at = free_.next(hand_);
    return at == BitTree::none ? oldest() : at;
  }
  // Moves the hand to the next newer block, in use or not; behind the newest: to the oldest.
  void move_hand_past(Place at) {
    at = members_.next(at + 1);
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
      const Entry entry = at_[i];
      members_.clear(i);
      free_.clear(i);
      members_.set(out);
      if (is_free) free_.set(out);
      at_[out] = entry;
      place_of_[entry.block] = static_cast<std::uint32_t>(out++);
    }
    hand_ = hand == 0 ? 0 : hand - 1;
    end_ = out;
    first_ = 0;
  }

  std::size_t places_;
  std::vector<Entry> at_;
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
