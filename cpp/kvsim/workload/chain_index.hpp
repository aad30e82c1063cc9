// Interns chains: a node is a (parent node, id), nodes are numbered in the order they are met.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvsim {

class ChainIndex {
 public:
  static constexpr std::uint32_t root = 0xFFFFFFFFU;

  // At most `most` nodes will be added.
  explicit ChainIndex(std::size_t most)
      : bits_(static_cast<int>(std::bit_width(std::max<std::size_t>(most + most / 2, 8)))),
        slots_(std::size_t{1} << bits_) {}

  // The node of (parent, id). Where an id is only a digest, `same(node)` decides whether a node
  // with the same parent and id is the one meant.
  template <class Same>
  std::uint32_t find_or_add(std::uint32_t parent, std::uint64_t id, Same&& same) {
    const std::size_t mask = slots_.size() - 1;
    std::uint64_t h = (id ^ (std::uint64_t{parent} << 32)) * 0x9E3779B97F4A7C15U;
    h = (h ^ (h >> 29) ^ parent) * 0xBF58476D1CE4E5B9U;
    for (std::size_t i = static_cast<std::size_t>(h >> (64 - bits_));; i = (i + 1) & mask) {
      Slot& slot = slots_[i];
      if (slot.node_plus_1 == 0) {
        slot = {id, parent, ++size_};
        return size_ - 1;
      }
      if (slot.id == id && slot.parent == parent && same(slot.node_plus_1 - 1)) {
        return slot.node_plus_1 - 1;
      }
    }
  }

  [[nodiscard]] std::uint32_t size() const { return size_; }

 private:
  struct Slot {
    std::uint64_t id = 0;
    std::uint32_t parent = 0;
    std::uint32_t node_plus_1 = 0;
  };
  int bits_;
  std::vector<Slot> slots_;
  std::uint32_t size_ = 0;
};

// Fails with ErrorKind::config unless the keys can be numbered in 32 bits.
void check_key_count(std::uint64_t keys);

}  // namespace kvsim
