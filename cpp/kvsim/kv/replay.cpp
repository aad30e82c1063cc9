#include "kvsim/kv/replay.hpp"

#include <cstddef>
#include <string>

#include "kvsim/core/error.hpp"
#include "kvsim/kv/block_pool.hpp"
#include "kvsim/workload/request_table.hpp"

namespace kvsim {

namespace {

// What an oracle may read: the chains as requests of one token a block, and a last token that
// their lookups need not cover.
RequestTable as_requests(const BlockTrace& trace) {
  RequestTable table;
  table.keys = {trace.num_keys, trace.offset, trace.keys};
  for (std::size_t r = 0; r + 1 < trace.offset.size(); ++r) {
    const std::int64_t blocks = trace.offset[r + 1] - trace.offset[r];
    table.prompt_tokens.push_back(static_cast<std::int32_t>(blocks + 1));
  }
  return table;
}

}  // namespace

ReplayCounts replay_cache(const BlockTrace& trace, std::int64_t capacity_blocks,
                          PrefixEviction policy, std::uint64_t seed, double attention_per_block) {
  const RequestTable requests = as_requests(trace);
  BlockPool pool(capacity_blocks + 1, 1);
  pool.use_shared_keys(trace.num_keys);
  pool.use_policy(
      make_eviction(policy, {capacity_blocks + 1, 1, seed, attention_per_block, &requests}));
  ReplayCounts counts;
  std::vector<std::uint32_t> table;
  for (std::int64_t r = 0; r < requests.size(); ++r) {
    const std::uint32_t* keys = requests.keys.of(r);
    const std::int64_t blocks = requests.keys.count(r);
    if (blocks > capacity_blocks) {
      fail(ErrorKind::infeasible, "capacities: request " + std::to_string(r) + " has " +
                                      std::to_string(blocks) + " blocks, the cache only " +
                                      std::to_string(capacity_blocks));
    }
    table.resize(static_cast<std::size_t>(blocks));
    std::int64_t hits = 0;
    for (; hits < blocks; ++hits) {
      const std::uint32_t block = pool.find(keys[hits]);
      if (block == 0) break;
      pool.share(block);
      table[static_cast<std::size_t>(hits)] = block;
    }
    pool.admitted(static_cast<std::uint32_t>(r));
    pool.take(blocks - hits, table.data() + hits);
    for (std::int64_t j = hits; j < blocks; ++j) {
      pool.publish(table[static_cast<std::size_t>(j)], keys[j]);
    }
    pool.give(table.data(), blocks, blocks, blocks, false);
    counts.blocks += blocks;
    counts.hits += hits;
  }
  return counts;
}

}  // namespace kvsim
