// vLLM's block pool with identities and prefix cache (SCHEDULER.md 2, 4-6).
//
// Freed blocks without a key go to the front of vLLM's free queue and keyed ones to its back, and
// blocks are taken from the front. So the queue always is: unkeyed blocks, then keyed ones. Hence
// two structures: a stack of unkeyed blocks, and the keyed ones in LRU order (eviction/lru.hpp), or
// in the hands of another eviction policy.
//
// Keys (workload/request_table.hpp): a shared key is a dense id with a list of the blocks that hold
// it, in order of insertion. A key that only its own request can ask for is private: nobody looks
// for it while the request runs, so its blocks enter an index only when the request is preempted,
// and leave it when the request has finished.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kvsim/kv/eviction/lru.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class BlockPool {
 public:
  static constexpr bool has_ids = true;
  static constexpr bool has_cache = true;
  static constexpr bool has_regions = false;
  using Block = std::uint32_t;  // 0 is vLLM's null block and never handed out

  BlockPool(std::int64_t num_gpu_blocks, std::int64_t block_size);

  void use_shared_keys(std::uint32_t count) { first_.assign(count, Chain{}); }
  // Evicts by another policy than LRU, from the start; null is LRU.
  void use_policy(std::unique_ptr<EvictionPolicy> policy) {
    policy_ = std::move(policy);
    if (policy_ != nullptr) held_.assign(states_.size(), Held::unknown);
  }
  void admitted(std::uint32_t request) {
    if (policy_ != nullptr) policy_->admitted(request);
  }

  [[nodiscard]] std::int64_t usable() const { return usable_; }
  [[nodiscard]] std::int64_t free() const {
    return static_cast<std::int64_t>(stack_size_) + keyed_free_;
  }

  // Free blocks that the prefix cache may find, or hands out as if it did.
  [[nodiscard]] std::int64_t cached_free() const { return keyed_free_; }

  // Blocks that lost a content which could have been found.
  [[nodiscard]] std::int64_t evictions() const { return evictions_; }
  // The free blocks that cached_free() counts.
  template <class F>
  void for_each_cached(F&& f) const {
    lru_.for_each([&f](Block entry) { f(entry & ~Lru::lost_bit); });
    for (std::size_t block = 0; block < held_.size(); ++block) {
      if (is_free(held_[block])) f(static_cast<Block>(block));
    }
  }

  // Takes n blocks from the front of the free queue; what they cached is evicted.
  void take(std::int64_t n, Block* out) {
    const std::int64_t plain =
        n < static_cast<std::int64_t>(stack_size_) ? n : static_cast<std::int64_t>(stack_size_);
    const Block* top = stack_.data() + stack_size_;
    for (std::int64_t i = 0; i < plain; ++i) out[i] = top[-1 - i];
    stack_size_ -= static_cast<std::size_t>(plain);
    if (plain < n && policy_ != nullptr) return pop_by_policy(n - plain, out + plain);
    for (std::int64_t i = plain; i < n; ++i) out[i] = pop_keyed();
  }

  // Frees a request's table. Blocks [0, published) are keyed; of these the first `shared` have
  // shared keys and may be in use by others, the rest can be found again only if the request was
  // preempted (`kept`: keep_private has been called) and not if it has finished.
  void give(const Block* table, std::int64_t blocks, std::int64_t published, std::int64_t shared,
            bool kept) {
    for (std::int64_t j = published; j < blocks; ++j) stack_[stack_size_++] = table[j];
    if (policy_ != nullptr) return release(table, published, shared, kept);
    std::int64_t j = published - 1;
    if (kept) {
      for (; j >= shared; --j) push_keyed(table[j]);
    } else if (j >= shared) {
      lru_.push_lost(table + shared, static_cast<std::size_t>(published - shared));
      keyed_free_ += published - shared;
      j = shared - 1;
    }
    for (; j >= 0; --j) {
      if (--states_[table[j]].refs == 0) push_keyed(table[j]);
    }
  }

  // Gives `block` the shared key; the block is in use by its request.
  void publish(Block block, std::uint32_t key) {
    states_[block].refs = 1;
    states_[block].tag = key + 1;
    link(first_[key], block);
  }

  // The block that holds the key and was inserted first, 0 if none.
  [[nodiscard]] Block find(std::uint32_t key) const { return first_[key].first; }
  [[nodiscard]] bool in_use(Block block) const { return states_[block].refs != 0; }

  // Takes a reference on a block that a lookup hit.
  void share(Block block) {
    if (states_[block].refs++ == 0) {
      revive(block);
    } else if (policy_ != nullptr) {
      policy_->hit(block, false);
    }
  }
  // The same for n blocks.
  void share(const Block* blocks, std::size_t n) {
    if (policy_ != nullptr) {
      for (std::size_t j = 0; j < n; ++j) share(blocks[j]);
      return;
    }
    BlockState* const states = states_.data();
    std::int64_t revived = 0;
    for (std::size_t j = 0; j < n; ++j) {
      if (states[blocks[j]].refs++ != 0) continue;
      lru_.revive(blocks[j]);
      ++revived;
    }
    keyed_free_ -= revived;
  }

  // Private keys of a preempted request: blocks [from, to) of its table become findable.
  void keep_private(std::uint32_t request, const Block* table, std::int64_t from, std::int64_t to);
  [[nodiscard]] Block find_private(std::uint32_t request, std::int64_t j) const;
  // The hit on a private block: it leaves the free queue for its owner.
  void revive(Block block) {
    --keyed_free_;
    if (policy_ != nullptr) {
      held_[block] = Held::in_use;
      return policy_->hit(block, true);
    }
    lru_.revive(block);
  }
  void forget_private(std::uint32_t request);

  // A digest of everything that later decisions depend on, to recognise a recurring state.
  [[nodiscard]] std::uint64_t digest() const;

 private:
  static constexpr std::uint32_t private_bit = 0x80000000U;

  // What an eviction policy knows of a block.
  enum class Held : std::uint8_t {
    unknown,   // nothing: it has not been released since it was given up
    in_use,    // it was released, and hit since
    lost,      // it is free, and nobody can find it any more
    findable,  // it is free
  };
  static bool is_free(Held held) { return held >= Held::lost; }

  void push_keyed(Block block) {
    lru_.push(block);
    ++keyed_free_;
  }
  Block pop_keyed() {
    --keyed_free_;
    const Block entry = lru_.pop();
    if ((entry & Lru::lost_bit) != 0) return entry & ~Lru::lost_bit;
    if (states_[entry].tag != 0) evict(entry);
    return entry;
  }
  void release(const Block* table, std::int64_t published, std::int64_t shared, bool kept);
  [[nodiscard]] std::uint64_t content_of(Block block) const;
  void pop_by_policy(std::int64_t n, Block* out);
  // Has what evict() will write fetched from memory.
  void fetch_chain(Block block) const;
  void evict(Block block) {
    ++evictions_;
    const std::uint32_t tag = states_[block].tag;
    states_[block].tag = 0;
    if ((tag & private_bit) != 0) return unlink_private(block, tag & ~private_bit);
    unlink(first_[tag - 1], block);
  }
  void unlink_private(Block block, std::uint32_t j);
  // Blocks with one key, in order of publication; both ends, so that neither a new one nor an
  // eviction walks over the others.
  struct Chain {
    Block first = 0;
    Block last = 0;
  };
  void link(Chain& chain, Block block) {
    states_[block].next = 0;
    states_[block].previous = chain.last;
    (chain.last == 0 ? chain.first : states_[chain.last].next) = block;
    chain.last = block;
  }
  void unlink(Chain& chain, Block block) {
    const Block before = states_[block].previous;
    const Block after = states_[block].next;
    (before == 0 ? chain.first : states_[before].next) = after;
    (after == 0 ? chain.last : states_[after].previous) = before;
  }

  std::int64_t usable_;
  std::vector<Block> stack_;
  std::size_t stack_size_ = 0;
  Lru lru_;
  std::unique_ptr<EvictionPolicy> policy_;  // null: lru_
  std::vector<Held> held_;                  // by block, with a policy
  std::vector<Released> released_;
  std::vector<Block> findable_;  // of those that it evicts
  std::int64_t keyed_free_ = 0;
  std::int64_t evictions_ = 0;
  struct BlockState {
    std::uint32_t refs = 0;  // kept for blocks with a shared key only
    std::uint32_t tag = 0;   // 0: not findable; key + 1; private_bit | j
    Block next = 0;          // next block with the same key, 0 = none
    Block previous = 0;      // and the one before
  };
  std::vector<BlockState> states_;    // by block
  std::vector<std::uint32_t> owner_;  // of a findable private block
  std::vector<Chain> first_;          // by shared key
  std::unordered_map<std::uint32_t, std::vector<Chain>> private_first_;  // by request, then block
};

}  // namespace kvsim
