// Any of the free blocks, with equal chances.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kvsim/core/philox.hpp"
#include "kvsim/core/wide.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class RandomEviction final : public EvictionByBlock<RandomEviction> {
 public:
  static constexpr std::string_view name = "random";

  explicit RandomEviction(const EvictionSetup& setup)
      : stream_(setup.seed, Purpose::eviction),
        place_(static_cast<std::size_t>(setup.num_blocks)) {}

  void release(const Released& what, Release /*how*/) {
    const BlockId block = what.block;
    place_[block] = static_cast<std::uint32_t>(free_.size());
    free_.push_back(block);
  }
  void hit(BlockId block, bool was_free) override {
    if (was_free) remove(block);
  }
  BlockId evict() {
    if (draws_ % words_.size() == 0) words_ = stream_.block(0, draws_ / words_.size());
    const std::uint64_t word = words_[draws_++ % words_.size()];
    const BlockId block = free_[multiply_wide(word, free_.size()).high];
    remove(block);
    return block;
  }

 private:
  void remove(BlockId block) {
    const std::uint32_t at = place_[block];
    free_[at] = free_.back();
    place_[free_[at]] = at;
    free_.pop_back();
  }

  Stream stream_;
  Block words_{};
  std::uint64_t draws_ = 0;
  std::vector<BlockId> free_;
  std::vector<std::uint32_t> place_;
};

}  // namespace kvsim
