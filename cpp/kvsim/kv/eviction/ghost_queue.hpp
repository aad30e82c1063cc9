// What was evicted lately, by content: a queue of bounded length out of which a content is taken
// when it comes again. Contents that nobody will ask for take their places too, but cannot be told
// from each other, so a run of them is one entry.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kvsim/core/prefetch.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class GhostQueue {
 public:
  // Of a content. Those that requests share are counted from 0, so they need no hash; what a
  // request found of its own after a preemption gets a number behind them.
  using Name = std::uint32_t;
  static constexpr Name nameless = 0xFFFFFFFFU;

  explicit GhostQueue(std::int64_t size) : size_(size), entries_(64) {}

  [[nodiscard]] Name name_of(std::uint64_t content) {
    if (content < most_shared) return static_cast<Name>(content);
    if (content == Released::nothing) return nameless;
    return others_.try_emplace(content, most_shared + static_cast<Name>(others_.size()))
        .first->second;
  }
  // Has its number fetched from memory, if it is a content that requests share.
  void will_look_for(std::uint64_t content) const {
    if (content < shared_.size()) prefetch(&shared_[content]);
  }
  void enter(Name name) {
    if (name == nameless) {
      ++count_;
      if (begin_ != end_ && at(end_ - 1).name == nameless) {
        ++at(end_ - 1).count;
        return;
      }
    } else {
      std::uint32_t& number = number_of(name);
      if (number != 0) return;
      ++count_;
      number = number_at(end_);
    }
    if (end_ - begin_ == entries_.size()) grow();
    at(end_++) = {name, 1};
  }
  // Whether it was there; its entry stays as a gap, told by its number.
  bool leave(Name name) {
    if (name == nameless) return false;
    std::uint32_t& number = number_of(name);
    if (number == 0) return false;
    number = 0;
    --count_;
    return true;
  }
  // Down to its length.
  void trim() {
    while (begin_ != end_) {
      Entry& front = at(begin_);
      if (front.name == nameless) {
        if (count_ <= size_) return;
        const auto gone =
            static_cast<std::uint32_t>(std::min<std::int64_t>(front.count, count_ - size_));
        count_ -= gone;
        front.count -= gone;
        if (front.count > 0) return;
      } else if (std::uint32_t& number = number_of(front.name); number == number_at(begin_)) {
        if (count_ <= size_) return;
        --count_;
        number = 0;
      }
      ++begin_;
    }
  }

 private:
  struct Entry {
    Name name = nameless;
    std::uint32_t count = 0;
  };
  static constexpr std::uint32_t most_shared = 0x80000000U;

  [[nodiscard]] Entry& at(std::uint64_t number) { return entries_[number & (entries_.size() - 1)]; }
  void grow() {
    std::vector<Entry> more(2 * entries_.size());
    for (std::uint64_t i = begin_; i != end_; ++i) more[i & (more.size() - 1)] = at(i);
    entries_ = std::move(more);
  }
  // Of an entry, never 0; no two in the queue have the same.
  [[nodiscard]] static std::uint32_t number_at(std::uint64_t place) {
    return static_cast<std::uint32_t>(place) | 0x80000000U;
  }
  // Of its entry; 0: not in the queue.
  [[nodiscard]] std::uint32_t& number_of(Name name) {
    auto& numbers = name < most_shared ? shared_ : own_;
    const std::size_t i = name & (most_shared - 1);
    if (i >= numbers.size()) numbers.resize(2 * i + 1);
    return numbers[i];
  }

  std::int64_t size_;
  std::vector<Entry> entries_;  // [begin_, end_), modulo its size
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::int64_t count_ = 0;  // without gaps
  std::vector<std::uint32_t> shared_;
  std::vector<std::uint32_t> own_;
  std::unordered_map<std::uint64_t, Name> others_;
};

}  // namespace kvsim
