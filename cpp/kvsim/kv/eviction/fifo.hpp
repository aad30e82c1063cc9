// First in, first out: the block that has been in the cache longest, hits or not.
#pragma once

#include <cstddef>
#include <cstdint>
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

  void release_all(const ReleasedBlock* blocks, std::size_t n) override {
    queue_.release_all(blocks, n, known_);
  }
  void hit(BlockId block, bool was_free) override {
    if (was_free) queue_.set_used(block);
  }
  void evict_all(std::size_t n, BlockId* out) override {
    const BlockId* end = out + n;
    while (out != end) {
      queue_.pass_word(queue_.oldest(), [&](BlockId block, std::uint32_t) {
        known_[block] = false;
        *out++ = block;
        return out == end ? BlockQueue::Pass::take_and_stop : BlockQueue::Pass::take;
      });
    }
  }

 private:
  BlockQueue queue_;
  std::vector<bool> known_;
};

}  // namespace kvsim
