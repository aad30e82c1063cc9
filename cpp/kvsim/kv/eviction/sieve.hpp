// SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi: SIEVE is simpler than LRU. NSDI 2024): in order of
// insertion, a hand moves from old to new, spares a block that was hit since it last passed, and
// evicts the first that was not. Blocks in use are passed over.
#pragma once

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

  void release(BlockId block, const Released& /*what*/) override {
    if (known_[block]) {
      queue_.set_free(block);
      return;
    }
    known_[block] = true;
    queue_.push(block);
  }
  void hit(BlockId block, bool was_free) override {
    visited_[block] = true;
    if (was_free) queue_.set_used(block);
  }
  BlockId evict() override {
    BlockId block = queue_.at_hand();
    while (visited_[block]) {
      visited_[block] = false;
      queue_.move_hand_past(block);
      block = queue_.at_hand();
    }
    queue_.move_hand_past(block);
    queue_.remove(block);
    known_[block] = false;
    return block;
  }

 private:
  BlockQueue queue_;
  std::vector<bool> known_;
  std::vector<bool> visited_;
};

}  // namespace kvsim
