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

#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class GhostQueue {
 public:
  // Of a content. Those that requests share are counted from 0, so they need no hash; what a
  // request found of its own after a preemption gets a number behind them.
  using Name = std::uint32_t;
  static constexpr Name nameless = 0xFFFFFFFFU;

  explicit GhostQueue(std::int64_t size) : size_(size), entries_(64) {}

  // Not of nothing.
  [[nodiscard]] Name name_of(std::uint64_t content) {
    if (content < shared_.size()) return static_cast<Name>(content);
    return new_name(content);
  }
  void enter(Name name) {
    std::uint32_t& number = number_of(name);
    if (number != 0) return;
    ++count_;
    number = number_at(end_);
    append({name, 1});
  }
  // n contents that nobody will ask for.
  void enter_nameless(std::int64_t n) {
    if (n == 0) return;
    count_ += n;
    if (begin_ != end_ && at(end_ - 1).name == nameless) {
      at(end_ - 1).count += static_cast<std::uint32_t>(n);
    } else {
      append({nameless, static_cast<std::uint32_t>(n)});
    }
  }
  // Whether it was there; its entry stays as a gap, told by its number.
  bool leave(Name name) {
    std::uint32_t& number = number_of(name);
    if (number == 0) return false;
    number = 0;
    --count_;
    return true;
  }
  // Down to its length.
  void trim() {
    std::uint64_t begin = begin_;
    for (; begin != end_; ++begin) {
      Entry& front = at(begin);
      std::uint32_t* const number = front.name == nameless ? nullptr : &number_of(front.name);
      if (number != nullptr && *number != number_at(begin)) continue;  // a gap
      if (count_ <= size_) break;
      if (number != nullptr) {
        *number = 0;
        --count_;
        continue;
      }
      const std::int64_t gone = std::min<std::int64_t>(front.count, count_ - size_);
      count_ -= gone;
      front.count -= static_cast<std::uint32_t>(gone);
      if (front.count > 0) break;
    }
    begin_ = begin;
  }

 private:
  struct Entry {
    Name name = nameless;
    std::uint32_t count = 0;
  };
  static constexpr std::uint32_t most_shared = 0x80000000U;

  [[nodiscard]] Entry& at(std::uint64_t number) { return entries_[number & mask_]; }
  Name new_name(std::uint64_t content) {
    const bool is_shared = content < most_shared;
    const Name name =
        is_shared ? static_cast<Name>(content)
                  : others_.try_emplace(content, most_shared + static_cast<Name>(others_.size()))
                        .first->second;
    auto& numbers = is_shared ? shared_ : own_;
    const std::size_t i = name & (most_shared - 1);
    if (i >= numbers.size()) numbers.resize(2 * i + 1);
    return name;
  }
  void append(Entry entry) {
    if (end_ - begin_ > mask_) grow();
    at(end_++) = entry;
  }
  void grow() {
    std::vector<Entry> more(2 * entries_.size());
    for (std::uint64_t i = begin_; i != end_; ++i) more[i & (more.size() - 1)] = at(i);
    mask_ = more.size() - 1;
    entries_ = std::move(more);
  }
  // Of an entry, never 0; no two in the queue have the same.
  [[nodiscard]] static std::uint32_t number_at(std::uint64_t place) {
    return static_cast<std::uint32_t>(place) | 0x80000000U;
  }
  // Of its entry; 0: not in the queue.
  [[nodiscard]] std::uint32_t& number_of(Name name) {
    auto& numbers = name < most_shared ? shared_ : own_;
    return numbers[name & (most_shared - 1)];
  }

  std::int64_t size_;
  std::vector<Entry> entries_;  // [begin_, end_), modulo its size
  std::uint64_t mask_ = entries_.size() - 1;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::int64_t count_ = 0;  // without gaps
  std::vector<std::uint32_t> shared_;
  std::vector<std::uint32_t> own_;
  std::unordered_map<std::uint64_t, Name> others_;
};

}  // namespace kvsim
