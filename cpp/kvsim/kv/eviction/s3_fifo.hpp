// S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you need for cache eviction. SOSP
// 2023), as its authors' libCacheSim has it: new blocks go to a small queue of a tenth of the
// cache, out of which only those asked for twice go on to the main queue; the others are
// remembered in a ghost queue, and go to the main queue if they come again. In the main queue a
// block that was hit is put in again, up to three times. Until the first eviction blocks go to
// the main queue when the small one is full.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kvsim/kv/eviction/block_queue.hpp"
#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim {

class S3Fifo final : public EvictionPolicy {
 public:
  static constexpr std::string_view name = "s3_fifo";

  explicit S3Fifo(const EvictionSetup& setup)
      : small_(setup.num_blocks),
        main_(setup.num_blocks),
        small_size_(std::max<std::int64_t>((setup.num_blocks - 1) / 10, 1)),
        main_size_(setup.num_blocks - 1 - small_size_),
        ghost_size_((setup.num_blocks - 1) * 9 / 10),
        where_(static_cast<std::size_t>(setup.num_blocks)),
        hits_(static_cast<std::size_t>(setup.num_blocks)),
        content_(static_cast<std::size_t>(setup.num_blocks)) {}

  void release(BlockId block, const Released& what) override {
    if (where_[block] != Where::nowhere) {
      queue_of(block).set_free(block);
      return;
    }
    // What never comes again takes its place in the ghost queue all the same.
    content_[block] =
        what.content == Released::nothing ? nameless + nameless_count_++ : what.content;
    const bool filling = !evicted_ && small_.size() >= small_size_;
    const bool to_main = leave_ghost(what.content) || filling;
    where_[block] = to_main ? Where::main : Where::small;
    queue_of(block).push(block);
    trim_ghost();
  }
  void hit(BlockId block, bool was_free) override {
    if (hits_[block] < 3) ++hits_[block];
    if (was_free) queue_of(block).set_used(block);
  }
  BlockId evict() override {
    evicted_ = true;
    for (;;) {
      // The queue that is due may have no free block.
      const bool from_main =
          small_.num_free() == 0 || (main_.size() > main_size_ && main_.num_free() > 0);
      const BlockId block = from_main ? evict_main() : evict_small();
      if (block == BlockQueue::none) continue;
      where_[block] = Where::nowhere;
      hits_[block] = 0;
      return block;
    }
  }

 private:
  enum class Where : std::uint8_t { nowhere, small, main };

  BlockQueue& queue_of(BlockId block) { return where_[block] == Where::main ? main_ : small_; }

  // None if all free blocks of the small queue moved on.
  BlockId evict_small() {
    while (small_.num_free() > 0) {
      const BlockId block = small_.oldest();
      small_.remove(block);
      if (hits_[block] < 2) {
        enter_ghost(content_[block]);
        return block;
      }
      hits_[block] = 0;
      where_[block] = Where::main;
      main_.push(block);
    }
    return BlockQueue::none;
  }
  BlockId evict_main() {
    for (;;) {
      const BlockId block = main_.oldest();
      main_.remove(block);
      if (hits_[block] == 0) return block;
      --hits_[block];
      main_.push(block);
    }
  }

  static constexpr std::uint64_t nameless = std::uint64_t{1} << 62;  // above all contents
  static constexpr std::uint64_t most_shared = std::uint64_t{1} << 31;

  // An entry of the ghost queue that came again stays as a gap, told by its number.
  void enter_ghost(std::uint64_t content) {
    if (content < nameless) {
      if (ghost_number(content) != 0) return;
      set_ghost_number(content, ghost_begin_ + ghost_order_.size() + 1);
    }
    ghost_order_.push_back(content);
    ++ghost_count_;
  }
  bool leave_ghost(std::uint64_t content) {
    if (content >= nameless || ghost_number(content) == 0) return false;
    set_ghost_number(content, 0);
    --ghost_count_;
    return true;
  }
  // 0: not in the queue. Contents that requests share are counted from 0, so no hash is needed.
  [[nodiscard]] std::uint64_t ghost_number(std::uint64_t content) const {
    if (content < most_shared) return content < shared_.size() ? shared_[content] : 0;
    const auto at = others_.find(content);
    return at == others_.end() ? 0 : at->second;
  }
  void set_ghost_number(std::uint64_t content, std::uint64_t number) {
    if (content < most_shared) {
      if (content >= shared_.size()) shared_.resize(2 * content + 1);
      shared_[content] = number;
    } else if (number == 0) {
      others_.erase(content);
    } else {
      others_[content] = number;
    }
  }
  // After the release that follows an eviction, so that a block that comes again is looked for
  // before the one evicted for it pushes it out.
  void trim_ghost() {
    while (ghost_count_ > ghost_size_ || (!ghost_order_.empty() && front_is_gap())) {
      if (!front_is_gap()) {
        const std::uint64_t content = ghost_order_.front();
        if (content < nameless) set_ghost_number(content, 0);
        --ghost_count_;
      }
      ghost_order_.pop_front();
      ++ghost_begin_;
    }
  }
  [[nodiscard]] bool front_is_gap() const {
    const std::uint64_t content = ghost_order_.front();
    return content < nameless && ghost_number(content) != ghost_begin_ + 1;
  }

  BlockQueue small_;
  BlockQueue main_;
  std::int64_t small_size_;
  std::int64_t main_size_;
  std::int64_t ghost_size_;
  std::vector<Where> where_;
  std::vector<std::uint8_t> hits_;
  std::vector<std::uint64_t> content_;
  std::deque<std::uint64_t> ghost_order_;
  std::vector<std::uint64_t> shared_;  // content -> its number in order
  std::unordered_map<std::uint64_t, std::uint64_t> others_;
  std::uint64_t ghost_begin_ = 0;  // numbers before ghost_order_
  std::int64_t ghost_count_ = 0;
  std::uint64_t nameless_count_ = 0;
  bool evicted_ = false;
};

}  // namespace kvsim
