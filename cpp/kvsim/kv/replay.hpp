// A prefix cache without an engine around it: requests come one after the other, each finds the
// leading blocks that are cached, computes the others and leaves at once.
#pragma once

#include <cstdint>
#include <vector>

#include "kvsim/kv/eviction/policies.hpp"

namespace kvsim {

// Request r asks for the blocks keys[offset[r]], ..., keys[offset[r + 1] - 1], a chain; equal keys
// stand for equal chains. Keys are 0 ... num_keys - 1.
struct BlockTrace {
  std::vector<std::int64_t> offset;
  std::vector<std::uint32_t> keys;
  std::uint32_t num_keys = 0;
};

struct ReplayCounts {
  std::int64_t blocks = 0;  // asked for
  std::int64_t hits = 0;    // of these, found
};

// Fails with ErrorKind::infeasible, naming the first request that the cache cannot hold.
[[nodiscard]] ReplayCounts replay_cache(const BlockTrace& trace, std::int64_t capacity_blocks,
                                        PrefixEviction policy, std::uint64_t seed,
                                        double attention_per_block);

}  // namespace kvsim
