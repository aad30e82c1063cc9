// vLLM's block pool as its rules (sections 2, 4 to 6) put it, in plain containers and without
// regard for speed: one free queue, one index from key to blocks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

namespace kvsim_test {

// Stands for the content of a block and of all before it.
using BlockKey = std::pair<std::int64_t, std::int64_t>;

class ReferencePool {
 public:
  explicit ReferencePool(std::int64_t num_gpu_blocks) {
    for (std::int64_t id = 1; id < num_gpu_blocks; ++id) queue_.push_back(id);
  }

  [[nodiscard]] std::int64_t free() const { return static_cast<std::int64_t>(queue_.size()); }
  [[nodiscard]] const std::deque<std::int64_t>& queue() const { return queue_; }

  // The block with the key that was inserted first among those still there; 0 if none.
  [[nodiscard]] std::int64_t find(const BlockKey& key) const {
    const auto at = index_.find(key);
    return at == index_.end() ? 0 : at->second.front();
  }
  [[nodiscard]] bool in_use(std::int64_t block) const { return uses_.count(block) != 0; }

  void take_reference(std::int64_t block) {
    if (uses_[block]++ == 0) queue_.erase(std::find(queue_.begin(), queue_.end(), block));
  }
  std::int64_t take_from_front() {
    const std::int64_t block = queue_.front();
    queue_.pop_front();
    const auto key = key_of_.find(block);
    if (key != key_of_.end()) {
      auto& holders = index_[key->second];
      holders.erase(std::find(holders.begin(), holders.end(), block));
      if (holders.empty()) index_.erase(key->second);
      key_of_.erase(key);
    }
    uses_[block] = 1;
    return block;
  }
  void publish(std::int64_t block, const BlockKey& key) {
    key_of_[block] = key;
    index_[key].push_back(block);
  }

  // From the last block to the first; with caching off no block ever has a key.
  void free_table(const std::vector<std::int64_t>& table) {
    std::vector<std::int64_t> plain;
    std::vector<std::int64_t> keyed;
    for (auto block = table.rbegin(); block != table.rend(); ++block) {
      if (--uses_[*block] > 0) continue;
      uses_.erase(*block);
      (key_of_.count(*block) != 0 ? keyed : plain).push_back(*block);
    }
    queue_.insert(queue_.begin(), plain.begin(), plain.end());
    queue_.insert(queue_.end(), keyed.begin(), keyed.end());
  }

 private:
  std::deque<std::int64_t> queue_;  // front = the next to be taken
  std::map<std::int64_t, std::int64_t> uses_;
  std::map<std::int64_t, BlockKey> key_of_;
  std::map<BlockKey, std::vector<std::int64_t>> index_;  // in order of insertion
};

}  // namespace kvsim_test
