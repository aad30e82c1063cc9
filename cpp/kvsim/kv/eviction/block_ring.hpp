// Blocks in order of insertion, the first taken first: an array in which a block that is taken out
// of the middle leaves a hole. It remembers no places; push() returns them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvsim {

class BlockRing {
 public:
  using BlockId = std::uint32_t;
  using Place = std::uint32_t;

  [[nodiscard]] bool empty() const { return size_ == 0; }

  // The block's place. If the array is full of holes, places change first: moved(block, place).
  template <class Moved>
  Place push(BlockId block, Moved&& moved) {
    if (blocks_.size() == blocks_.capacity() && 2 * size_ < blocks_.size()) compact(moved);
    blocks_.push_back(block);
    ++size_;
    return static_cast<Place>(blocks_.size() - 1);
  }
  void remove(Place at) {
    blocks_[at] = hole;
    if (--size_ == 0) clear();
  }
  // The first; there is one.
  BlockId pop() {
    while (blocks_[begin_] == hole) ++begin_;
    const BlockId block = blocks_[begin_++];
    if (--size_ == 0) clear();
    return block;
  }

 private:
  static constexpr BlockId hole = 0;  // block 0 is in no ring

  void clear() {
    blocks_.clear();
    begin_ = 0;
  }
  template <class Moved>
  void compact(Moved&& moved) {
    std::size_t out = 0;
    for (std::size_t i = begin_; i < blocks_.size(); ++i) {
      if (blocks_[i] == hole) continue;
      moved(blocks_[i], static_cast<Place>(out));
      blocks_[out++] = blocks_[i];
    }
    blocks_.resize(out);
    begin_ = 0;
  }

  std::vector<BlockId> blocks_;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;  // without holes
};

}  // namespace kvsim
