// A pool that only counts blocks. Without prefix caching no decision of the scheduler depends on
// which block is which, so a run that does not record block identities needs no more than this.
#pragma once

#include <cstdint>

namespace kvsim {

class CountPool {
 public:
  static constexpr bool has_ids = false;
  static constexpr bool has_cache = false;
  static constexpr bool has_regions = false;

  CountPool(std::int64_t num_gpu_blocks, std::int64_t /*block_size*/)
      : usable_(num_gpu_blocks - 1), free_(num_gpu_blocks - 1) {}

  [[nodiscard]] std::int64_t usable() const { return usable_; }
  [[nodiscard]] std::int64_t free() const { return free_; }
  void take(std::int64_t n) { free_ -= n; }
  void give(std::int64_t n) { free_ += n; }

 private:
  std::int64_t usable_;
  std::int64_t free_;
};

}  // namespace kvsim
