// Bits of which the next set one is found fast: 64 a word, with a bit for each word that has some,
// and so on.
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
      const std::uint64_t before = level[i / 64];
      level[i / 64] = before | (std::uint64_t{1} << (i % 64));
      if (before != 0) return;
      i /= 64;
    }
  }
  // Sets [from, to).
  void set_range(std::size_t from, std::size_t to) {
    while (from < to) {
      const std::size_t end = std::min(to, from - from % 64 + 64);
      const std::uint64_t above = end % 64 == 0 ? 0 : ~std::uint64_t{0} << (end % 64);
      const std::uint64_t bits = (~std::uint64_t{0} << (from % 64)) & ~above;
      set(from);
      levels_[0][from / 64] |= bits;
      from = end;
    }
  }
  void clear(std::size_t i) {
    for (auto& level : levels_) {
      level[i / 64] &= ~(std::uint64_t{1} << (i % 64));
      i /= 64;
      if (level[i] != 0) return;
    }
  }
  // Clears some of the bits of the word with bit i.
  void clear_word(std::size_t i, std::uint64_t bits) {
    levels_[0][i / 64] &= ~bits;
    if (levels_[0][i / 64] != 0 || levels_.size() == 1) return;
    levels_[0][i / 64] = std::uint64_t{1} << (i % 64);
    clear(i);
  }
  // The bits of the word with bit i.
  [[nodiscard]] std::uint64_t word(std::size_t i) const { return levels_[0][i / 64]; }
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

}  // namespace kvsim
