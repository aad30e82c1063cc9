#include "kvsim/kv/block_pool.hpp"

#include <bit>

namespace kvsim {

BlockPool::BlockPool(std::int64_t num_gpu_blocks, std::int64_t /*block_size*/)
    : usable_(num_gpu_blocks - 1) {
  const auto n = static_cast<std::size_t>(num_gpu_blocks);
  stack_.resize(n);
  for (std::size_t i = 1; i < n; ++i) stack_[i - 1] = static_cast<Block>(n - i);
  stack_size_ = n - 1;
  // At least twice the blocks: it is full only if half of it are holes, so a compaction, which
  // copies less than n entries, comes after at least n pushes.
  ring_.resize(std::bit_ceil(2 * n));
  ring_mask_ = ring_.size() - 1;
  place_.resize(n);
  refs_.resize(n);
  tag_.resize(n);
  next_.resize(n);
  previous_.resize(n);
  owner_.resize(n);
}

void BlockPool::compact() {
  std::uint64_t out = ring_head_;
  for (std::uint64_t i = ring_head_; i < ring_tail_; ++i) {
    const Block entry = ring_[i & ring_mask_];
    if (entry == 0) continue;
    if ((entry & lost_bit) == 0) place_[entry] = static_cast<std::uint32_t>(out);
    ring_[out++ & ring_mask_] = entry;
  }
  ring_tail_ = out;
}

void BlockPool::evict(Block block) {
  const std::uint32_t tag = tag_[block];
  tag_[block] = 0;
  if ((tag & private_bit) == 0) {
    unlink(first_[tag - 1], block);
  } else {
    unlink(private_first_.find(owner_[block])->second[tag & ~private_bit], block);
  }
}

void BlockPool::keep_private(std::uint32_t request, const Block* table, std::int64_t from,
                             std::int64_t to) {
  if (from >= to) return;
  auto& first = private_first_[request];
  if (static_cast<std::int64_t>(first.size()) < to) first.resize(static_cast<std::size_t>(to));
  for (std::int64_t j = from; j < to; ++j) {
    const Block block = table[j];
    tag_[block] = private_bit | static_cast<std::uint32_t>(j);
    owner_[block] = request;
    link(first[static_cast<std::size_t>(j)], block);
  }
}

BlockPool::Block BlockPool::find_private(std::uint32_t request, std::int64_t j) const {
  const auto it = private_first_.find(request);
  if (it == private_first_.end() || j >= static_cast<std::int64_t>(it->second.size())) return 0;
  return it->second[static_cast<std::size_t>(j)].first;
}

void BlockPool::forget_private(std::uint32_t request) {
  const auto it = private_first_.find(request);
  if (it == private_first_.end()) return;
  for (const Chain& chain : it->second) {
    for (Block block = chain.first; block != 0; block = next_[block]) tag_[block] = 0;
  }
  private_first_.erase(it);
}

std::uint64_t BlockPool::digest() const {
  std::uint64_t h = 1469598103934665603ULL;
  const auto mix = [&h](std::uint64_t x) { h = (h ^ x) * 1099511628211ULL; };
  for (std::size_t i = 0; i < stack_size_; ++i) mix(stack_[i]);
  mix(~0ULL);
  for (std::uint64_t i = ring_head_; i < ring_tail_; ++i) {
    const Block entry = ring_[i & ring_mask_];
    if (entry == 0) continue;
    mix(entry & ~lost_bit);
    const std::uint32_t tag = (entry & lost_bit) != 0 ? 0 : tag_[entry];
    mix(tag);
    if ((tag & private_bit) != 0) mix(owner_[entry]);
  }
  return h;
}

}  // namespace kvsim
