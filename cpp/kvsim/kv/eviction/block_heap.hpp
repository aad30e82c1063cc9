// Blocks by a key, the smallest first; a block can be taken out of the middle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kvsim {

template <class Key>
class BlockHeap {
 public:
  using BlockId = std::uint32_t;

  explicit BlockHeap(std::int64_t num_blocks)
      : place_(static_cast<std::size_t>(num_blocks), absent) {}

  [[nodiscard]] bool contains(BlockId block) const { return place_[block] != absent; }
  [[nodiscard]] const Key& top_key() const { return heap_.front().first; }

  void push(BlockId block, const Key& key) {
    heap_.emplace_back(key, block);
    rise(heap_.size() - 1);
  }
  BlockId pop() {
    const BlockId block = heap_.front().second;
    remove(block);
    return block;
  }
  void remove(BlockId block) {
    const std::size_t at = place_[block];
    place_[block] = absent;
    const auto last = heap_.back();
    heap_.pop_back();
    if (at == heap_.size()) return;
    put(at, last);
    if (at > 0 && heap_[at].first < heap_[(at - 1) / 2].first) {
      rise(at);
    } else {
      sink(at);
    }
  }

 private:
  using Item = std::pair<Key, BlockId>;
  static constexpr std::uint32_t absent = 0xFFFFFFFFU;

  void put(std::size_t at, const Item& item) {
    heap_[at] = item;
    place_[item.second] = static_cast<std::uint32_t>(at);
  }
  void rise(std::size_t at) {
    const Item item = heap_[at];
    while (at > 0) {
      const std::size_t above = (at - 1) / 2;
      if (!(item.first < heap_[above].first)) break;
      put(at, heap_[above]);
      at = above;
    }
    put(at, item);
  }
  void sink(std::size_t at) {
    const Item item = heap_[at];
    for (;;) {
      std::size_t below = 2 * at + 1;
      if (below >= heap_.size()) break;
      if (below + 1 < heap_.size() && heap_[below + 1].first < heap_[below].first) ++below;
      if (!(heap_[below].first < item.first)) break;
      put(at, heap_[below]);
      at = below;
    }
    put(at, item);
  }

  std::vector<Item> heap_;
  std::vector<std::uint32_t> place_;
};

}  // namespace kvsim
