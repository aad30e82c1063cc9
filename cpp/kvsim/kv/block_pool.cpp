#include "kvsim/kv/block_pool.hpp"

#include <string>

#include "kvsim/core/error.hpp"
#include "kvsim/core/prefetch.hpp"

namespace kvsim {

BlockPool::BlockPool(std::int64_t num_gpu_blocks, std::int64_t /*block_size*/)
    : usable_(num_gpu_blocks - 1), lru_(static_cast<std::size_t>(num_gpu_blocks)) {
  const auto n = static_cast<std::size_t>(num_gpu_blocks);
  stack_.resize(n);
  for (std::size_t i = 1; i < n; ++i) stack_[i - 1] = static_cast<Block>(n - i);
  stack_size_ = n - 1;
  states_.resize(n);
  owner_.resize(n);
}

// The policy hears of runs of blocks, each either all fresh or none of it.
void BlockPool::release(const Block* table, std::int64_t published, std::int64_t shared,
                        bool kept) {
  if (published == 0) return;
  released_.resize(static_cast<std::size_t>(published));
  Released* out = released_.data();
  Held* const held = held_.data();
  bool fresh = true;
  const auto tell = [&] {
    const auto n = static_cast<std::size_t>(out - released_.data());
    if (n > 0) policy_->release_all(released_.data(), n, {fresh, kept});
    keyed_free_ += static_cast<std::int64_t>(n);
    out = released_.data();
  };
  const auto free = [&](std::int64_t j, std::uint64_t content, Held now) {
    const Block block = table[j];
    if ((held[block] == Held::unknown) != fresh) {
      tell();
      fresh = !fresh;
    }
    held[block] = now;
    *out++ = {content, block, static_cast<std::uint32_t>(j)};
  };
  std::int64_t j = published - 1;
  for (; j >= shared; --j) {
    const std::uint64_t content = kept ? content_of(table[j]) : Released::nothing;
    free(j, content, content == Released::nothing ? Held::lost : Held::findable);
  }
  for (; j >= 0; --j) {
    BlockState& state = states_[table[j]];
    if (--state.refs == 0) free(j, state.tag - 1, Held::findable);
  }
  tell();
}

std::uint64_t BlockPool::content_of(Block block) const {
  const std::uint32_t tag = states_[block].tag;
  if (tag == 0) return Released::nothing;
  if ((tag & private_bit) == 0) return tag - 1;
  return (std::uint64_t{owner_[block]} << 32) | tag;  // shared keys are below 2^31
}

void BlockPool::pop_by_policy(std::int64_t n, Block* out) {
  keyed_free_ -= n;
  policy_->evict_all(static_cast<std::size_t>(n), out);
  findable_.resize(static_cast<std::size_t>(n));
  std::size_t findable = 0;
  Held* const held = held_.data();
  const std::size_t blocks = held_.size();
  for (std::int64_t i = 0; i < n; ++i) {
    const Block block = out[i];
    if (block >= blocks || !is_free(held[block])) {
      fail(ErrorKind::invariant, "the eviction policy gave up block " + std::to_string(block) +
                                     ", which it does not hold free");
    }
    findable_[findable] = block;
    findable += held[block] == Held::findable ? 1 : 0;
    held[block] = Held::unknown;
  }
  constexpr std::size_t ahead = 12;
  for (std::size_t i = 0; i < findable; ++i) {
    if (i + ahead < findable) fetch_chain(findable_[i + ahead]);
    evict(findable_[i]);
  }
}

void BlockPool::fetch_chain(Block block) const {
  const std::uint32_t tag = states_[block].tag;
  if ((tag & private_bit) == 0) prefetch(&first_[tag - 1]);
}

void BlockPool::unlink_private(Block block, std::uint32_t j) {
  unlink(private_first_.find(owner_[block])->second[j], block);
}

void BlockPool::keep_private(std::uint32_t request, const Block* table, std::int64_t from,
                             std::int64_t to) {
  if (from >= to) return;
  auto& first = private_first_[request];
  if (static_cast<std::int64_t>(first.size()) < to) first.resize(static_cast<std::size_t>(to));
  for (std::int64_t j = from; j < to; ++j) {
    const Block block = table[j];
    states_[block].tag = private_bit | static_cast<std::uint32_t>(j);
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
    for (Block block = chain.first; block != 0; block = states_[block].next) {
      states_[block].tag = 0;
      if (policy_ == nullptr) continue;
      if (is_free(held_[block])) held_[block] = Held::lost;
      policy_->forget(block);
    }
  }
  private_first_.erase(it);
}

std::uint64_t BlockPool::digest() const {
  std::uint64_t h = 1469598103934665603ULL;
  const auto mix = [&h](std::uint64_t x) { h = (h ^ x) * 1099511628211ULL; };
  for (std::size_t i = 0; i < stack_size_; ++i) mix(stack_[i]);
  mix(~0ULL);
  if (policy_ != nullptr) {
    // What is cached, without the order in which the policy would evict it.
    for (std::size_t block = 1; block < states_.size(); ++block) {
      mix(states_[block].tag);
      mix(states_[block].refs);
      if ((states_[block].tag & private_bit) != 0) mix(owner_[block]);
    }
  }
  lru_.for_each([&](Block entry) {
    mix(entry & ~Lru::lost_bit);
    const std::uint32_t tag = (entry & Lru::lost_bit) != 0 ? 0 : states_[entry].tag;
    mix(tag);
    if ((tag & private_bit) != 0) mix(owner_[entry]);
  });
  return h;
}

}  // namespace kvsim
