// vLLM's block pool with identities and prefix cache (SCHEDULER.md 2, 4-6).
//
// Freed blocks without a key go to the front of vLLM's free queue and keyed ones to its back, and
// blocks are taken from the front. So the queue always is: unkeyed blocks, then keyed ones. Hence
// two structures: a stack of unkeyed blocks, and the keyed ones in LRU order in a ring whose
// entries become holes when a hit revives a block. A keyed block that nobody can find any more (its
// request has finished and nobody shares the key) keeps its turn, but carries a mark, so that
// taking it touches nothing else.
//
// Keys (workload/request_table.hpp): a shared key is a dense id with a list of the blocks that hold
// it, in order of insertion. A key that only its own request can ask for is private: nobody looks
// for it while the request runs, so its blocks enter an index only when the request is preempted,
// and leave it when the request has finished.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "kvsim/workload/request_table.hpp"

namespace kvsim {

class BlockPool {
 public:
  static constexpr bool has_ids = true;
  static constexpr bool has_cache = true;
  using Block = std::uint32_t;  // 0 is vLLM's null block and never handed out

  BlockPool(std::int64_t num_gpu_blocks, std::int64_t block_size);

  void use_shared_keys(std::uint32_t count) { first_.assign(count, Chain{}); }

  [[nodiscard]] std::int64_t usable() const { return usable_; }
  [[nodiscard]] std::int64_t free() const {
    return static_cast<std::int64_t>(stack_size_) + keyed_free_;
  }

  // Takes n blocks from the front of the free queue; what they cached is evicted.
  void take(std::int64_t n, Block* out) {
    const std::int64_t plain =
        n < static_cast<std::int64_t>(stack_size_) ? n : static_cast<std::int64_t>(stack_size_);
    const Block* top = stack_.data() + stack_size_;
    for (std::int64_t i = 0; i < plain; ++i) out[i] = top[-1 - i];
    stack_size_ -= static_cast<std::size_t>(plain);
    for (std::int64_t i = plain; i < n; ++i) out[i] = pop_keyed();
  }

  // Frees a request's table. Blocks [0, published) are keyed; of these the first `shared` have
  // shared keys and may be in use by others, the rest can be found again only if the request was
  // preempted (`kept`: keep_private has been called) and not if it has finished.
  void give(const Block* table, std::int64_t blocks, std::int64_t published, std::int64_t shared,
            bool kept) {
    for (std::int64_t j = published; j < blocks; ++j) stack_[stack_size_++] = table[j];
    std::int64_t j = published - 1;
    if (kept) {
      for (; j >= shared; --j) push_keyed(table[j]);
    } else {
      for (; j >= shared; --j) push_entry(table[j] | lost_bit);
    }
    for (; j >= 0; --j) {
      if (--refs_[table[j]] == 0) push_keyed(table[j]);
    }
  }

  // Gives `block` the shared key; the block is in use by its request.
  void publish(Block block, std::uint32_t key) {
    refs_[block] = 1;
    tag_[block] = key + 1;
    link(first_[key], block);
  }

  // The block that holds the key and was inserted first, 0 if none.
  [[nodiscard]] Block find(std::uint32_t key) const { return first_[key].first; }
  [[nodiscard]] bool in_use(Block block) const { return refs_[block] != 0; }

  // Takes a reference on a block that a lookup hit.
  void share(Block block) {
    if (refs_[block]++ == 0) revive(block);
  }

  // Private keys of a preempted request: blocks [from, to) of its table become findable.
  void keep_private(std::uint32_t request, const Block* table, std::int64_t from, std::int64_t to);
  [[nodiscard]] Block find_private(std::uint32_t request, std::int64_t j) const;
  // The hit on a private block: it leaves the free queue for its owner.
  void revive(Block block) {
    ring_[place_[block] & ring_mask_] = 0;
    --keyed_free_;
  }
  void forget_private(std::uint32_t request);

  // A digest of everything that later decisions depend on, to recognise a recurring state.
  [[nodiscard]] std::uint64_t digest() const;

 private:
  static constexpr std::uint32_t private_bit = 0x80000000U;

  static constexpr Block lost_bit = 0x80000000U;

  void push_entry(Block entry) {
    if (ring_tail_ - ring_head_ == ring_.size()) compact();
    ring_[ring_tail_++ & ring_mask_] = entry;
    ++keyed_free_;
  }
  void push_keyed(Block block) {
    push_entry(block);
    place_[block] = static_cast<std::uint32_t>(ring_tail_ - 1);
  }
  Block pop_keyed() {
    Block entry = 0;
    while (entry == 0) entry = ring_[ring_head_++ & ring_mask_];
    --keyed_free_;
    if ((entry & lost_bit) != 0) return entry & ~lost_bit;
    if (tag_[entry] != 0) evict(entry);
    return entry;
  }
  void evict(Block block);
  void compact();
  // Blocks with one key, in order of publication; both ends, so that neither a new one nor an
  // eviction walks over the others.
  struct Chain {
    Block first = 0;
    Block last = 0;
  };
  void link(Chain& chain, Block block) {
    next_[block] = 0;
    previous_[block] = chain.last;
    (chain.last == 0 ? chain.first : next_[chain.last]) = block;
    chain.last = block;
  }
  void unlink(Chain& chain, Block block) {
    const Block before = previous_[block];
    const Block after = next_[block];
    (before == 0 ? chain.first : next_[before]) = after;
    (after == 0 ? chain.last : previous_[after]) = before;
  }

  std::int64_t usable_;
  std::vector<Block> stack_;
  std::size_t stack_size_ = 0;
  std::vector<Block> ring_;  // entries [head, tail), modulo its size: a block, 0 = a hole
  std::uint64_t ring_mask_ = 0;
  std::uint64_t ring_head_ = 0;
  std::uint64_t ring_tail_ = 0;
  std::int64_t keyed_free_ = 0;
  std::vector<std::uint32_t> place_;  // of a free keyed block: its place in ring_, low 32 bits
  std::vector<std::uint32_t> refs_;   // kept for blocks with a shared key only
  std::vector<std::uint32_t> tag_;    // 0: not findable; key + 1; private_bit | j
  std::vector<Block> next_;           // next block with the same key, 0 = none
  std::vector<Block> previous_;       // and the one before
  std::vector<std::uint32_t> owner_;  // of a findable private block
  std::vector<Chain> first_;          // by shared key
  std::unordered_map<std::uint32_t, std::vector<Chain>> private_first_;  // by request, then block
};

}  // namespace kvsim
