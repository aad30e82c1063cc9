// Which lazily decoded requests finish after which decode step: a calendar wheel with a bitmap.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "kvsim/scheduler/state.hpp"

namespace kvsim {

class FinishWheel {
 public:
  static constexpr std::int64_t max_span = std::int64_t{1} << 20;

  // Holds steps up to `span` ahead; who finishes later is put at the far end and looked at again.
  explicit FinishWheel(std::int64_t span)
      : size_(static_cast<std::int64_t>(std::bit_ceil(
            static_cast<std::uint64_t>(std::clamp<std::int64_t>(span, 63, max_span) + 1)))),
        head_(static_cast<std::size_t>(size_)),
        bits_(static_cast<std::size_t>(size_ / 64)) {}

  [[nodiscard]] std::int64_t reach() const { return size_ - 1; }  // its far end, in steps

  void insert(std::vector<Seq>& seqs, RequestId r, std::int64_t now, std::int64_t at) {
    const auto slot = index(std::min(at, now + reach()));
    std::uint64_t& word = bits_[slot / 64];
    const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
    seqs[r].next = (word & bit) != 0 ? head_[slot] : none;
    head_[slot] = r;
    word |= bit;
  }

  // at = the step that insert was given, if that is within the span from where it was inserted.
  void erase(std::vector<Seq>& seqs, RequestId r, std::int64_t now, std::int64_t at) {
    if (erase_at(seqs, r, index(at))) return;
    for (std::int64_t g = now; g < now + size_; ++g) {
      if (erase_at(seqs, r, index(g))) return;
    }
  }

  // The first step after `now` that has an entry; there must be one.
  [[nodiscard]] std::int64_t next_after(std::int64_t now) const {
    const auto from = index(now + 1);
    const std::size_t words = bits_.size();
    std::size_t w = from / 64;
    std::uint64_t word = bits_[w] & (~std::uint64_t{0} << (from % 64));
    while (word == 0) {
      w = w + 1 == words ? 0 : w + 1;
      word = bits_[w];
    }
    const auto slot = static_cast<std::int64_t>(w * 64) + std::countr_zero(word);
    const auto ahead = (slot - static_cast<std::int64_t>(from)) & (size_ - 1);
    return now + 1 + ahead;
  }

  // Calls f(r) for all entries of step `at` and empties it.
  template <class F>
  void drain(const std::vector<Seq>& seqs, std::int64_t at, F&& f) {
    const auto slot = index(at);
    const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
    if ((bits_[slot / 64] & bit) == 0) return;
    bits_[slot / 64] &= ~bit;
    for (RequestId r = head_[slot]; r != none;) {
      const RequestId next = seqs[r].next;
      f(r);
      r = next;
    }
  }

 private:
  static constexpr RequestId none = 0xFFFFFFFFU;
  [[nodiscard]] std::size_t index(std::int64_t g) const {
    return static_cast<std::size_t>(g & (size_ - 1));
  }
  bool erase_at(std::vector<Seq>& seqs, RequestId r, std::size_t slot) {
    const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
    if ((bits_[slot / 64] & bit) == 0) return false;
    RequestId* link = &head_[slot];
    while (*link != none && *link != r) link = &seqs[*link].next;
    if (*link == none) return false;
    *link = seqs[r].next;
    if (head_[slot] == none) bits_[slot / 64] &= ~bit;
    return true;
  }

  std::int64_t size_;
  std::vector<RequestId> head_;  // valid where the bit is set
  std::vector<std::uint64_t> bits_;
};

}  // namespace kvsim
