// Blocks in order of insertion, any of which can be taken out: lists through two arrays that
// several lists share, a block being in one of them at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvsim {

class BlockLinks {
 public:
  using BlockId = std::uint32_t;
  static constexpr BlockId none = 0;  // block 0 is never in a list
  struct List {
    BlockId first = none;
    BlockId last = none;
    [[nodiscard]] bool empty() const { return first == none; }
  };

  explicit BlockLinks(std::int64_t num_blocks) : links_(static_cast<std::size_t>(num_blocks)) {}

  void push(List& list, BlockId block) {
    links_[block] = {list.last, none};
    (list.last == none ? list.first : links_[list.last].next) = block;
    list.last = block;
  }
  void remove(List& list, BlockId block) {
    const Link link = links_[block];
    (link.previous == none ? list.first : links_[link.previous].next) = link.next;
    (link.next == none ? list.last : links_[link.next].previous) = link.previous;
  }
  [[nodiscard]] BlockId next(BlockId block) const { return links_[block].next; }

 private:
  struct Link {
    BlockId previous = none;
    BlockId next = none;
  };
  std::vector<Link> links_;
};

}  // namespace kvsim
