// Blocks by a key, the smallest first, of equals the one pushed first; a block can be taken out of
// the middle. Blocks that are pushed one after the other with one key are a run, and only runs are
// in the heap: a request's blocks, freed together, are few.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvsim/kv/eviction/block_ring.hpp"

namespace kvsim {

class BlockRuns {
 public:
  using BlockId = BlockRing::BlockId;

  explicit BlockRuns(std::int64_t num_blocks) : where_(static_cast<std::size_t>(num_blocks)) {}

  void push(BlockId block, double key) {
    if (runs_.empty() || runs_[last_].blocks.empty() || runs_[last_].key != key) open(key);
    where_[block] = {last_, runs_[last_].blocks.push(block, [this](BlockId moved, auto place) {
                       where_[moved].place = place;
                     })};
  }
  void remove(BlockId block) {
    Run& run = runs_[where_[block].run];
    run.blocks.remove(where_[block].place);
    if (run.blocks.empty() && 2 * ++num_empty_ > heap_.size() + 64) sweep();
  }
  // Takes the first out; there is one. Its key is last_popped() then.
  BlockId pop() {
    while (runs_[heap_.front()].blocks.empty()) {
      drop_first();
      --num_empty_;
    }
    Run& run = runs_[heap_.front()];
    const BlockId block = run.blocks.pop();
    last_popped_ = run.key;
    if (run.blocks.empty()) drop_first();
    return block;
  }
  [[nodiscard]] double last_popped() const { return last_popped_; }

 private:
  using RunId = std::uint32_t;
  struct Run {
    double key = 0;
    std::uint64_t number = 0;
    BlockRing blocks;
  };
  struct Where {
    RunId run = 0;
    BlockRing::Place place = 0;
  };

  // For a heap with the least on top.
  [[nodiscard]] auto later() const {
    return [this](RunId a, RunId b) {
      return runs_[a].key != runs_[b].key ? runs_[a].key > runs_[b].key
                                          : runs_[a].number > runs_[b].number;
    };
  }
  void open(double key) {
    if (spare_.empty()) {
      spare_.push_back(static_cast<RunId>(runs_.size()));
      runs_.emplace_back();
    }
    last_ = spare_.back();
    spare_.pop_back();
    runs_[last_].key = key;
    runs_[last_].number = ++opened_;
    heap_.push_back(last_);
    std::push_heap(heap_.begin(), heap_.end(), later());
  }
  void drop_first() {
    std::pop_heap(heap_.begin(), heap_.end(), later());
    spare_.push_back(heap_.back());
    heap_.pop_back();
  }
  // Runs that lost all their blocks to hits would stay until their turn comes.
  void sweep() {
    std::erase_if(heap_, [this](RunId run) {
      if (!runs_[run].blocks.empty()) return false;
      spare_.push_back(run);
      return true;
    });
    std::make_heap(heap_.begin(), heap_.end(), later());
    num_empty_ = 0;
  }

  std::vector<Where> where_;  // of a block that is here
  std::vector<Run> runs_;
  std::vector<RunId> heap_;
  std::vector<RunId> spare_;
  RunId last_ = 0;  // opened last
  std::uint64_t opened_ = 0;
  std::size_t num_empty_ = 0;  // in the heap
  double last_popped_ = 0;
};

}  // namespace kvsim
