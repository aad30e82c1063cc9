// Belady's MIN (A study of replacement algorithms for a virtual-storage computer. IBM Systems
// Journal 5, 1966), an oracle: the block that is asked for again last, or never. Time is counted in
// requests, in the order in which they are admitted; of blocks with one next use the tail of a
// chain goes before its head.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>
#include <vector>

#include "kvsim/kv/eviction/block_heap.hpp"
#include "kvsim/kv/eviction/policy.hpp"
#include "kvsim/workload/request_table.hpp"

namespace kvsim {

class Belady final : public EvictionByBlock<Belady> {
 public:
  static constexpr std::string_view name = "belady";

  explicit Belady(const EvictionSetup& setup) : free_(setup.num_blocks) {
    const RequestTable& t = *setup.requests;
    const PrefixKeys& keys = t.keys;
    begin_.resize(std::size_t{keys.num_shared_keys} + 1);
    // A lookup never covers a prompt's last token.
    const auto asked = [&](std::int64_t r) {
      return std::min<std::int64_t>(
          keys.count(r), (t.prompt_tokens[static_cast<std::size_t>(r)] - 1) / setup.block_size);
    };
    for (std::int64_t r = 0; r < t.size(); ++r) {
      for (std::int64_t j = 0; j < asked(r); ++j) ++begin_[keys.of(r)[j] + 1];
    }
    for (std::size_t k = 1; k < begin_.size(); ++k) begin_[k] += begin_[k - 1];
    uses_.resize(begin_.back());
    std::vector<std::size_t> end(begin_.begin(), begin_.end() - 1);
    for (std::int64_t r = 0; r < t.size(); ++r) {
      for (std::int64_t j = 0; j < asked(r); ++j) {
        uses_[end[keys.of(r)[j]]++] = static_cast<std::uint32_t>(r);
      }
    }
  }

  void release(const Released& what, Release how) {
    const std::uint32_t next = how.wanted ? 0 : next_use(what.content);
    free_.push(what.block, {~next, ~what.position, ++releases_});
  }
  void hit(BlockId block, bool was_free) override {
    if (was_free) free_.remove(block);
  }
  BlockId evict() { return free_.pop(); }
  void forget(BlockId block) override {
    if (!free_.contains(block)) return;  // its request uses it still
    free_.remove(block);
    free_.push(block, {~never, 0, ++releases_});
  }
  void admitted(std::uint32_t request) override { now_ = std::max(now_, request + 1); }

 private:
  static constexpr std::uint32_t never = std::numeric_limits<std::uint32_t>::max();

  [[nodiscard]] std::uint32_t next_use(std::uint64_t content) const {
    if (content >= begin_.size() - 1) return never;
    const auto from = uses_.begin() + static_cast<std::ptrdiff_t>(begin_[content]);
    const auto to = uses_.begin() + static_cast<std::ptrdiff_t>(begin_[content + 1]);
    const auto at = std::lower_bound(from, to, now_);
    return at == to ? never : *at;
  }

  // (last use first, longest chain first, release)
  BlockHeap<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>> free_;
  std::vector<std::size_t> begin_;   // by shared key
  std::vector<std::uint32_t> uses_;  // requests that ask for it, in order
  std::uint32_t now_ = 0;            // the first request that has not been admitted
  std::uint64_t releases_ = 0;
};

}  // namespace kvsim
