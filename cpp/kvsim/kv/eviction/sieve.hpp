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
      : queue_(setup.num_blocks, setup.num_blocks),
        visited_(static_cast<std::size_t>(setup.num_blocks)) {}

  void release_all(const Released* blocks, std::size_t n, Release how) override {
    queue_.release_all(blocks, n, how.fresh);
  }
  void hit(BlockId block, bool was_free) override {
    visited_[block] = true;
    if (was_free) queue_.set_used(block);
  }
  void evict_all(std::size_t n, BlockId* out) override {
    while (n > 0) {
      std::size_t at = queue_.at_hand();
      const std::size_t end = queue_.end_of_run(at);
      std::size_t from = at;  // those before `at` are evicted
      for (; at < end && n > 0; ++at) {
        const BlockId block = queue_.block_at(at);
        if (visited_[block]) {
          visited_[block] = false;
          queue_.remove(from, at);
          from = at + 1;
        } else {
          *out++ = block;
          --n;
        }
      }
      queue_.remove(from, at);
      queue_.move_hand_past(at - 1);
    }
  }

 private:
  BlockQueue<> queue_;
  std::vector<bool> visited_;
};

}  // namespace kvsim
