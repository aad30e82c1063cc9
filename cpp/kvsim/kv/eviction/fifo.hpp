// First in, first out: the block that has been in the cache longest, hits or not.
#pragma once

#include <string_view>
#include <vector>

#include "kvsim/kv/eviction/block_queue.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class Fifo final : public EvictionPolicy {
 public:
  static constexpr std::string_view name = "fifo";

  explicit Fifo(const EvictionSetup& setup)
      : queue_(setup.num_blocks), known_(static_cast<std::size_t>(setup.num_blocks)) {}

  void release(BlockId block, const Released& /*what*/) override {
    if (known_[block]) {
      queue_.set_free(block);
    } else {
      known_[block] = true;
      queue_.push(block);
    }
  }
  void hit(BlockId block, bool was_free) override {
    if (was_free) queue_.set_used(block);
  }
  BlockId evict() override {
    const BlockId block = queue_.oldest();
    queue_.remove(block);
    known_[block] = false;
    return block;
  }

 private:
  BlockQueue queue_;
  std::vector<bool> known_;
};

}  // namespace kvsim
