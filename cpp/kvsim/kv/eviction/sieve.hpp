// SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi: SIEVE is simpler than LRU. NSDI 2024): in order of
// insertion, a hand moves from old to new, spares a block that was hit since it last passed, and
// evicts the first that was not. Blocks in use are passed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kvsim/kv/eviction/block_queue.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class Sieve final : public EvictionPolicy {
 public:
  static constexpr std::string_view name = "sieve";

  explicit Sieve(const EvictionSetup& setup)
      : queue_(setup.num_blocks),
        known_(static_cast<std::size_t>(setup.num_blocks)),
        visited_(static_cast<std::size_t>(setup.num_blocks)) {}

  void release_all(const ReleasedBlock* blocks, std::size_t n) override {
    queue_.release_all(blocks, n, known_);
  }
  void hit(BlockId block, bool was_free) override {
    visited_[block] = true;
    if (was_free) queue_.set_used(block);
  }
  void evict_all(std::size_t n, BlockId* out) override {
    const BlockId* end = out + n;
    while (out != end) {
      queue_.move_hand_past(queue_.pass_word(queue_.at_hand(), [&](BlockId block, std::uint32_t) {
        if (visited_[block]) {
          visited_[block] = false;
          return BlockQueue::Pass::keep;
        }
        known_[block] = false;
        *out++ = block;
        return out == end ? BlockQueue::Pass::take_and_stop : BlockQueue::Pass::take;
      }));
    }
  }

 private:
  BlockQueue queue_;
  std::vector<bool> known_;
  std::vector<bool> visited_;
};

}  // namespace kvsim
