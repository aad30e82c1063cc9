// First in, first out: the block that has been in the cache longest, hits or not.
#pragma once

#include <algorithm>
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

  explicit Fifo(const EvictionSetup& setup) : queue_(setup.num_blocks, setup.num_blocks) {}

  void release_all(const Released* blocks, std::size_t n, Release how) override {
    queue_.release_all(blocks, n, how.fresh);
  }
  void hit(BlockId block, bool was_free) override {
    if (was_free) queue_.set_used(block);
  }
  void evict_all(std::size_t n, BlockId* out) override {
    while (n > 0) {
      const std::size_t first = queue_.oldest();
      const std::size_t end = std::min(queue_.end_of_run(first), first + n);
      for (std::size_t at = first; at < end; ++at) *out++ = queue_.block_at(at);
      queue_.remove(first, end);
      n -= end - first;
    }
  }

 private:
  BlockQueue<> queue_;
};

}  // namespace kvsim
