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

#include "kvsim/kv/eviction/block_queue.hpp"
#include "kvsim/kv/eviction/ghost_queue.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class S3Fifo final : public EvictionPolicy {
 public:
  static constexpr std::string_view name = "s3_fifo";

  explicit S3Fifo(const EvictionSetup& setup)
      : small_(setup.num_blocks, 4 * std::max<std::int64_t>((setup.num_blocks - 1) / 10, 1)),
        main_(setup.num_blocks, setup.num_blocks),
        ghosts_((setup.num_blocks - 1) * 9 / 10),
        small_size_(std::max<std::int64_t>((setup.num_blocks - 1) / 10, 1)),
        main_size_(setup.num_blocks - 1 - small_size_),
        hits_(static_cast<std::size_t>(setup.num_blocks)),
        in_main_(static_cast<std::size_t>(setup.num_blocks)) {}

  void release_all(const Released* blocks, std::size_t n, Release how) override {
    how.fresh ? add_all(blocks, n) : set_free(blocks, n);
  }
  void hit(BlockId block, bool was_free) override {
    if (hits_[block] < 3) ++hits_[block];
    if (was_free) queue_of(block, [block](auto& queue) { queue.set_used(block); });
  }
  void evict_all(std::size_t n, BlockId* out) override {
    evicted_ = true;
    const BlockId* const end = out + n;
    while (out != end) {
      // The queue that is due may have no free block.
      const bool from_main =
          small_.num_free() == 0 || (main_.size() > main_size_ && main_.num_free() > 0);
      out = from_main ? evict_main(out) : evict_small(out, end);
    }
  }

 private:
  template <class F>
  void queue_of(BlockId block, F&& f) {
    in_main_[block] ? f(main_) : f(small_);
  }

  void set_free(const Released* blocks, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      const BlockId block = blocks[i].block;
      queue_of(block, [block](auto& queue) { queue.set_free(block); });
    }
  }
  void add_all(const Released* blocks, std::size_t n) {
    BlockQueue<GhostQueue::Name>::Appender small(small_, n);
    // How many more may go to the small queue.
    std::int64_t room = evicted_ ? static_cast<std::int64_t>(n) : small_size_ - small_.size();
    for (std::size_t i = 0; i < n; ++i) {
      const BlockId block = blocks[i].block;
      GhostQueue::Name ghost = GhostQueue::nameless;
      bool again = false;
      if (blocks[i].content != Released::nothing) {
        ghost = ghosts_.name_of(blocks[i].content);
        again = ghosts_.leave(ghost);
      }
      // Only now, so that a block that comes again is looked for before the one evicted for it
      // pushes it out. Later ones only leave.
      if (i == 0) ghosts_.trim();
      if (again || room <= 0) {
        in_main_[block] = true;
        main_.push(block);
      } else {
        small.add(block, ghost);
        --room;
      }
    }
    small.close();
  }

  // Some blocks, none if all free ones of the small queue moved on: its turn ends with the first
  // one that is evicted after another has moved on.
  BlockId* evict_small(BlockId* out, const BlockId* const end) {
    bool moved = false;  // since the last eviction
    // What never comes again takes its place in the ghost queue all the same.
    std::int64_t nameless = 0;
    bool done = false;
    while (!done && small_.num_free() > 0) {
      const std::size_t first = small_.oldest();
      const std::size_t end_of_run = small_.end_of_run(first);
      std::size_t at = first;
      while (!done && at < end_of_run) {
        const BlockId block = small_.block_at(at);
        const GhostQueue::Name content = small_.note_at(at++);
        std::uint8_t& hits = hits_[block];
        if (hits >= 2) {
          hits = 0;
          in_main_[block] = true;
          main_.push(block);
          moved = true;
          continue;
        }
        if (hits > 0) hits = 0;
        if (content == GhostQueue::nameless) {
          ++nameless;
        } else {
          ghosts_.enter_nameless(nameless);
          nameless = 0;
          ghosts_.enter(content);
        }
        *out++ = block;
        done = moved || out == end;
      }
      small_.remove(first, at);
      done = done || !moved;
    }
    ghosts_.enter_nameless(nameless);
    return out;
  }
  BlockId* evict_main(BlockId* out) {
    for (;;) {
      const std::size_t at = main_.oldest();
      const BlockId block = main_.block_at(at);
      main_.remove(at, at + 1);
      if (hits_[block] == 0) {
        in_main_[block] = false;
        *out++ = block;
        return out;
      }
      --hits_[block];
      main_.push(block);
    }
  }

  BlockQueue<GhostQueue::Name> small_;
  BlockQueue<> main_;
  GhostQueue ghosts_;
  std::int64_t small_size_;
  std::int64_t main_size_;
  // By block, since it was given up, those before its first release too; counted up to 3.
  std::vector<std::uint8_t> hits_;
  std::vector<bool> in_main_;
  bool evicted_ = false;
};

}  // namespace kvsim
