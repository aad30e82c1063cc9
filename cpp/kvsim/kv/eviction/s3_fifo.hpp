// S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you need for cache eviction. SOSP
// 2023), as its authors' libCacheSim has it: new blocks go to a small queue of a tenth of the
// cache, out of which only those asked for twice go on to the main queue; the others are
// remembered in a ghost queue, and go to the main queue if they come again. In the main queue a
// block that was hit is put in again, up to three times. Until the first eviction blocks go to
// the main queue when the small one is full.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kvsim/core/prefetch.hpp"
#include "kvsim/kv/eviction/block_queue.hpp"
#include "kvsim/kv/eviction/ghost_queue.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class S3Fifo final : public EvictionPolicy {
 public:
  static constexpr std::string_view name = "s3_fifo";

  explicit S3Fifo(const EvictionSetup& setup)
      : small_(setup.num_blocks),
        main_(setup.num_blocks),
        ghosts_((setup.num_blocks - 1) * 9 / 10),
        small_size_(std::max<std::int64_t>((setup.num_blocks - 1) / 10, 1)),
        main_size_(setup.num_blocks - 1 - small_size_),
        blocks_(static_cast<std::size_t>(setup.num_blocks)) {}

  void release_all(const ReleasedBlock* blocks, std::size_t n) override {
    constexpr std::size_t ahead = 12;
    arrivals_.resize(n);
    std::size_t to_small = 0;
    bool trimmed = false;
    for (std::size_t i = 0; i < n; ++i) {
      if (i + ahead < n) fetch(blocks[i + ahead]);
      const BlockId block = blocks[i].block;
      Known& known = blocks_[block];
      if (known.where != Where::nowhere) {
        queue_of(known).set_free(block);
        continue;
      }
      // What never comes again takes its place in the ghost queue all the same.
      const GhostQueue::Name ghost = ghosts_.name_of(blocks[i].what.content);
      const bool again = ghosts_.leave(ghost);
      // Only now, so that a block that comes again is looked for before the one evicted for it
      // pushes it out. Later ones only leave.
      if (!trimmed) ghosts_.trim();
      trimmed = true;
      const bool filling =
          !evicted_ && small_.size() + static_cast<std::int64_t>(to_small) >= small_size_;
      if (again || filling) {
        known.where = Where::main;
        main_.push(block);
      } else {
        known.where = Where::small;
        arrivals_[to_small++] = {block, ghost};
      }
    }
    small_.push_all(to_small, [this](std::size_t i) { return arrivals_[i]; });
  }
  void hit(BlockId block, bool was_free) override {
    Known& known = blocks_[block];
    if (known.hits < 3) ++known.hits;
    if (was_free) queue_of(known).set_used(block);
  }
  void evict_all(std::size_t n, BlockId* out) override {
    evicted_ = true;
    const BlockId* end = out + n;
    while (out != end) {
      // The queue that is due may have no free block.
      const bool from_main =
          small_.num_free() == 0 || (main_.size() > main_size_ && main_.num_free() > 0);
      from_main ? evict_main(out) : evict_small(out, end);
    }
  }

 private:
  enum class Where : std::uint8_t { nowhere, small, main };
  struct Known {
    std::uint8_t hits = 0;
    Where where = Where::nowhere;
  };

  // What release_all() will ask of a block is far apart in memory.
  void fetch(const ReleasedBlock& later) const {
    prefetch(&blocks_[later.block]);
    small_.will_push(later.block);
    ghosts_.will_look_for(later.what.content);
  }
  BlockQueue& queue_of(const Known& known) { return known.where == Where::main ? main_ : small_; }

  // Some blocks, none if all free ones of the small queue moved on: its turn ends with the first
  // one that is evicted after another has moved on.
  void evict_small(BlockId*& out, const BlockId* end) {
    bool moved = false;  // since the last eviction
    do {
      small_.pass_word(small_.oldest(), [&](BlockId block, GhostQueue::Name content) {
        Known& known = blocks_[block];
        if (known.hits >= 2) {
          known = {0, Where::main};
          main_.push(block);
          moved = true;
          return BlockQueue::Pass::take;
        }
        ghosts_.enter(content);
        drop(block, out);
        if (!moved && out != end) return BlockQueue::Pass::take;
        moved = false;
        return BlockQueue::Pass::take_and_stop;
      });
    } while (moved && small_.num_free() > 0);
  }
  void evict_main(BlockId*& out) {
    for (;;) {
      const BlockQueue::Place at = main_.oldest();
      const BlockId block = main_.block_at(at);
      main_.remove_at(at);
      if (blocks_[block].hits == 0) return drop(block, out);
      --blocks_[block].hits;
      main_.push(block);
    }
  }

  void drop(BlockId block, BlockId*& out) {
    blocks_[block] = {};
    *out++ = block;
  }

  BlockQueue small_;
  BlockQueue main_;
  GhostQueue ghosts_;
  std::int64_t small_size_;
  std::int64_t main_size_;
  std::vector<Known> blocks_;
  std::vector<BlockQueue::Entry> arrivals_;  // of one call, for the small queue
  bool evicted_ = false;
};

}  // namespace kvsim
