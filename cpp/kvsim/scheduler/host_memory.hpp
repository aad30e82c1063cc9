// Preemption by swapping: what preempted requests have on the host, and the copies between it and
// the GPU.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "kvsim/scheduler/config.hpp"
#include "kvsim/server/ledger.hpp"

namespace kvsim {

class HostMemory {
 public:
  HostMemory(const PreemptionRules& rules, std::int64_t block_size, std::size_t requests)
      : rules_(rules), block_size_(block_size), free_blocks_(rules.host_blocks) {
    if (rules.swap) tokens_.resize(requests);
  }
  // One more request, in a fleet.
  void add_row() {
    if (rules_.swap) tokens_.push_back(0);
  }

  // Tokens of each request that are here; empty without swapping.
  [[nodiscard]] const std::vector<std::int32_t>& tokens() const { return tokens_; }
  [[nodiscard]] std::int64_t tokens_of(std::uint32_t r) const {
    return tokens_.empty() ? 0 : tokens_[r];
  }

  // Copies the victim's computed tokens to the host if they fit; else they are computed anew.
  void swap_out(std::uint32_t r, std::int32_t computed, RunTotals& totals) {
    if (!rules_.swap) return;
    const std::int64_t blocks = ceil_div(computed, block_size_);
    if (blocks > free_blocks_) {
      ++totals.swaps_refused;
      return;
    }
    ++totals.swaps;
    tokens_[r] = computed;
    free_blocks_ -= blocks;
    transfers_ += blocks;
    totals.swapped_blocks += blocks;
  }
  // Copies back what the prefix cache (have blocks) does not hold any more; returns the tokens that
  // are there then.
  std::int64_t swap_in(std::uint32_t r, std::int64_t have, RunTotals& totals) {
    const std::int64_t tokens = tokens_[r];
    const std::int64_t blocks = drop(r);
    if (blocks <= have) return have * block_size_;
    transfers_ += blocks - have;
    totals.swapped_blocks += blocks - have;
    return std::max(tokens, have * block_size_);
  }
  // What r has here is not needed any more; returns its blocks.
  std::int64_t drop(std::uint32_t r) {
    if (tokens_.empty()) return 0;
    const std::int64_t blocks = ceil_div(std::exchange(tokens_[r], 0), block_size_);
    free_blocks_ += blocks;
    return blocks;
  }

  // Lengthens a step by the copies before it.
  void add_transfers(Terms& terms) {
    if (transfers_ == 0) return;
    Ns extra = round_half_even(static_cast<double>(transfers_) * rules_.swap_ns_per_block);
    if (rules_.swap_overlap) extra = std::max<Ns>(extra - terms.total(), 0);
    terms.comm_ns += extra;
    transfers_ = 0;
  }

 private:
  const PreemptionRules& rules_;
  std::int64_t block_size_;
  std::int64_t free_blocks_;
  std::int64_t transfers_ = 0;  // blocks to and from the host before the next step
  std::vector<std::int32_t> tokens_;
};

}  // namespace kvsim
