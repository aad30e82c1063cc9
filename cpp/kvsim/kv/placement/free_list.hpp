// Free pieces of memory in order of address, neighbours merged. There are at most as many as
// requests hold memory, plus one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvsim/kv/placement/placement.hpp"

namespace kvsim {

class FreeList {
 public:
  struct Piece {
    std::int64_t at;
    std::int64_t size;
  };

  explicit FreeList(std::int64_t slots) : pieces_{{0, slots}} {}

  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }

  // Takes slots from the beginning of the i-th piece.
  std::int64_t cut(std::size_t i, std::int64_t slots) {
    Piece& piece = pieces_[i];
    const std::int64_t at = piece.at;
    piece.at += slots;
    piece.size -= slots;
    if (piece.size == 0) pieces_.erase(pieces_.begin() + static_cast<std::ptrdiff_t>(i));
    return at;
  }
  void release(std::int64_t at, std::int64_t slots) {
    const auto behind = std::lower_bound(pieces_.begin(), pieces_.end(), at,
                                         [](const Piece& p, std::int64_t x) { return p.at < x; });
    const bool joins_next = behind != pieces_.end() && at + slots == behind->at;
    const bool joins_last =
        behind != pieces_.begin() && (behind - 1)->at + (behind - 1)->size == at;
    if (joins_last) {
      (behind - 1)->size += slots + (joins_next ? behind->size : 0);
      if (joins_next) pieces_.erase(behind);
    } else if (joins_next) {
      *behind = {at, slots + behind->size};
    } else {
      pieces_.insert(behind, {at, slots});
    }
  }

 private:
  std::vector<Piece> pieces_;
};

}  // namespace kvsim
