// Blocks in order of insertion, free or in use; finds the next free one from any place without
// walking over those in use: places with bitmaps (bit_tree.hpp).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "kvsim/kv/eviction/bit_tree.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

// What a queue may keep with a block, at its place: nothing.
struct NoNote {};

template <class Note = NoNote>
class BlockQueue {
  struct Entry {
    std::uint32_t block = 0;
    [[no_unique_address]] Note note{};
  };

 public:
  using BlockId = std::uint32_t;

  // `usual`: how many blocks are in it as a rule. The fewer places there are, the more of them are
  // near.
  BlockQueue(std::int64_t num_blocks, std::int64_t usual)
      : at_(places_for(usual)),
        place_of_(static_cast<std::size_t>(num_blocks)),
        members_(at_.size()),
        free_(at_.size()) {}

  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] std::int64_t num_free() const { return num_free_; }

  // Appends free blocks, `most` of them or fewer, in variables of its own until it is closed.
  class Appender {
   public:
    Appender(BlockQueue& queue, std::size_t most) : queue_(queue) {
      if (queue.end_ + most > queue.at_.size()) queue.make_room(most);
      at_ = queue.at_.data();
      place_of_ = queue.place_of_.data();
      end_ = queue.end_;
    }
    void add(BlockId block, Note note = {}) {
      at_[end_] = {block, note};
      place_of_[block] = static_cast<std::uint32_t>(end_++);
    }
    void close() {
      queue_.members_.set_range(queue_.end_, end_);
      queue_.free_.set_range(queue_.end_, end_);
      const auto count = static_cast<std::int64_t>(end_ - queue_.end_);
      queue_.size_ += count;
      queue_.num_free_ += count;
      queue_.end_ = end_;
    }

   private:
    BlockQueue& queue_;
    Entry* at_;
    std::uint32_t* place_of_;
    std::size_t end_;
  };
  void push(BlockId block) {
    Appender appender(*this, 1);
    appender.add(block);
    appender.close();
  }
  // Blocks that are free from now on: fresh ones are appended, others stand here in use.
  void release_all(const Released* blocks, std::size_t n, bool fresh) {
    if (!fresh) {
      for (std::size_t i = 0; i < n; ++i) set_free(blocks[i].block);
      return;
    }
    Appender appender(*this, n);
    for (std::size_t i = 0; i < n; ++i) appender.add(blocks[i].block);
    appender.close();
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
  [[nodiscard]] Note note_at(Place at) const { return at_[at].note; }
  // The oldest free block; there is one.
  [[nodiscard]] Place oldest() {
    first_ = free_.next(first_);
    return first_;
  }
  // Behind the free block at `first`: the end of the free ones without a gap, but not beyond the
  // word of places that it is in.
  [[nodiscard]] Place end_of_run(Place first) const {
    return first + static_cast<Place>(std::countr_one(free_.word(first) >> (first % 64)));
  }
  // Takes out the free blocks [first, end) of a run.
  void remove(Place first, Place end) {
    if (first == end) return;
    const std::uint64_t taken = (~std::uint64_t{0} >> (64 - (end - first))) << (first % 64);
    members_.clear_word(first, taken);
    free_.clear_word(first, taken);
    size_ -= static_cast<std::int64_t>(end - first);
    num_free_ -= static_cast<std::int64_t>(end - first);
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
  // So that gaps are at least half of the places before the next compaction.
  static std::size_t places_for(std::int64_t blocks) {
    return std::bit_ceil(2 * static_cast<std::size_t>(blocks) + 1);
  }
  // For n more blocks: moves the members to the front, of more places if they fill half of them.
  void make_room(std::size_t n) {
    const BitTree members = std::move(members_);
    const BitTree free = std::move(free_);
    const std::size_t places =
        std::max(at_.size(), places_for(size_ + static_cast<std::int64_t>(n)));
    members_ = BitTree(places);
    free_ = BitTree(places);
    at_.resize(places);
    std::size_t out = 0;
    std::size_t hand = 0;
    for (std::size_t i = members.next(0); i != BitTree::none; i = members.next(i + 1)) {
      if (i >= hand_ && hand == 0) hand = out + 1;
      if (free.next(i) == i) free_.set(out);
      at_[out] = at_[i];
      place_of_[at_[out].block] = static_cast<std::uint32_t>(out);
      ++out;
    }
    members_.set_range(0, out);
    hand_ = hand == 0 ? 0 : hand - 1;
    end_ = out;
    first_ = 0;
  }

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
