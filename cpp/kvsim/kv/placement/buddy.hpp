// Binary buddies (Knowlton: A fast storage allocator. CACM 8, 1965): pieces are powers of two; a
// larger one is halved until it fits, and two free halves become one again. A memory that is no
// power of two begins as the pieces of its binary digits, the largest first.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>

#include "kvsim/kv/placement/placement.hpp"

namespace kvsim {

class Buddy final : public PlacementPolicy {
 public:
  static constexpr std::string_view name = "buddy";

  explicit Buddy(std::int64_t slots) : slots_(slots) {
    std::int64_t at = 0;
    for (std::size_t order = orders; order > 0; --order) {
      const std::int64_t size = std::int64_t{1} << (order - 1);
      if ((slots & size) == 0) continue;
      free_[order - 1].insert(at);
      at += size;
    }
  }

  [[nodiscard]] std::int64_t largest() const override {
    return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(slots_)));
  }
  [[nodiscard]] std::int64_t rounded(std::int64_t slots) const override {
    return std::int64_t{1} << order_of(slots);
  }
  std::int64_t place(std::int64_t slots) override {
    const std::size_t wanted = order_of(slots);
    std::size_t order = wanted;
    while (order < orders && free_[order].empty()) ++order;
    if (order == orders) return nowhere;
    const std::int64_t at = *free_[order].begin();
    free_[order].erase(free_[order].begin());
    while (order > wanted) {
      --order;
      free_[order].insert(at + (std::int64_t{1} << order));
    }
    return at;
  }
  void release(std::int64_t at, std::int64_t slots) override {
    std::size_t order = order_of(slots);
    while (free_[order].erase(at ^ (std::int64_t{1} << order)) != 0) {
      at &= ~(std::int64_t{1} << order);
      ++order;
    }
    free_[order].insert(at);
  }

 private:
  static constexpr std::size_t orders = 48;
  static std::size_t order_of(std::int64_t slots) {
    return static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(slots - 1)));
  }

  std::int64_t slots_;
  std::array<std::set<std::int64_t>, orders> free_;  // addresses, by the logarithm of the size
};

}  // namespace kvsim
