#include "kvsim/kv/eviction/policies.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "check.hpp"
#include "kv/eviction/conformance.hpp"
#include "kvsim/kv/block_pool.hpp"
#include "kvsim/kv/replay.hpp"
#include "random.hpp"

namespace {

using kvsim::BlockTrace;
using kvsim::EvictionPolicies;
using kvsim::EvictionSetup;
using kvsim::PrefixEviction;
using kvsim_test::batch_difference;
using kvsim_test::broken_rule;
using kvsim_test::Random;

template <class F>
void for_each_policy(F&& f) {
  for (const auto& [which, name] : kvsim::EnumNames<PrefixEviction>::values) {
    f(which, std::string(name));
  }
}

// Requests of a block each, drawn so that some are popular.
BlockTrace single_blocks(std::uint64_t seed, std::int64_t requests, std::uint32_t contents) {
  Random random(seed);
  BlockTrace trace;
  trace.num_keys = contents;
  trace.offset = {0};
  for (std::int64_t r = 0; r < requests; ++r) {
    const std::int64_t bound = random.chance(60) ? contents / 8 : contents - 1;
    trace.keys.push_back(static_cast<std::uint32_t>(random.between(0, bound)));
    trace.offset.push_back(r + 1);
  }
  return trace;
}

// Chains with common beginnings.
BlockTrace chains(std::uint64_t seed, std::int64_t requests) {
  Random random(seed);
  BlockTrace trace;
  trace.num_keys = 400;
  trace.offset = {0};
  for (std::int64_t r = 0; r < requests; ++r) {
    const std::int64_t length = random.between(1, 20);
    const auto group = static_cast<std::uint32_t>(random.between(0, 19));
    for (std::int64_t j = 0; j < length; ++j) {
      trace.keys.push_back(20 * group + static_cast<std::uint32_t>(j));
    }
    trace.offset.push_back(static_cast<std::int64_t>(trace.keys.size()));
  }
  return trace;
}

std::int64_t hits(const BlockTrace& trace, std::int64_t capacity, PrefixEviction which) {
  return kvsim::replay_cache(trace, capacity, which, 1, 0).hits;
}

// The definition of the oracle's victim on single blocks, without regard for speed.
std::int64_t hits_of_min(const BlockTrace& trace, std::size_t capacity) {
  std::vector<std::uint32_t> cache;
  std::int64_t found = 0;
  for (std::size_t i = 0; i < trace.keys.size(); ++i) {
    const auto next_use = [&](std::uint32_t key) {
      std::size_t j = i + 1;
      while (j < trace.keys.size() && trace.keys[j] != key) ++j;
      return j;
    };
    if (std::find(cache.begin(), cache.end(), trace.keys[i]) != cache.end()) {
      ++found;
      continue;
    }
    if (cache.size() == capacity) {
      std::size_t worst = 0;
      for (std::size_t c = 1; c < cache.size(); ++c) {
        if (next_use(cache[c]) > next_use(cache[worst])) worst = c;
      }
      cache.erase(cache.begin() + static_cast<std::ptrdiff_t>(worst));
    }
    cache.push_back(trace.keys[i]);
  }
  return found;
}

TEST(eviction, every_policy_keeps_the_rules) {
  for_each_policy([](PrefixEviction which, const std::string& name) {
    if (which == kvsim::eviction_of<kvsim::Lru>()) return;  // part of BlockPool, tested there
    const auto make = [which](const EvictionSetup& s) { return kvsim::make_eviction(which, s); };
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      CHECK_EQ(name + ": " + broken_rule(make, seed), name + ": ");
    }
  });
}

TEST(eviction, blocks_at_once_are_blocks_one_by_one) {
  for_each_policy([](PrefixEviction which, const std::string& name) {
    if (which == kvsim::eviction_of<kvsim::Lru>()) return;
    const auto make = [which](const EvictionSetup& s) { return kvsim::make_eviction(which, s); };
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      CHECK_EQ(name + ": " + batch_difference(make, seed), name + ": ");
    }
  });
}

// Policies that are wrong on purpose: the rules must tell.
template <class Wrong>
class QueueOf : public kvsim::EvictionByBlock<Wrong> {
 public:
  using BlockId = kvsim::EvictionPolicy::BlockId;
  void release(const kvsim::Released& what, kvsim::Release /*how*/) {
    queue_.push_back(what.block);
  }
  void hit(BlockId block, bool was_free) override {
    if (was_free) std::erase(queue_, block);
  }
  BlockId evict() {
    if (queue_.empty()) return 0;
    const BlockId block = queue_.front();
    queue_.pop_front();
    return block;
  }

 protected:
  std::deque<BlockId> queue_;
};
class Queue : public QueueOf<Queue> {};
class EvictsUsed : public QueueOf<EvictsUsed> {
 public:
  void hit(BlockId /*block*/, bool /*was_free*/) override {}
};
class NeverFrees : public QueueOf<NeverFrees> {
 public:
  void release(const kvsim::Released& what, kvsim::Release how) {
    if (what.block % 7 != 3) QueueOf::release(what, how);
  }
};
class FreesTwice : public QueueOf<FreesTwice> {
 public:
  BlockId evict() {
    const BlockId block = QueueOf::evict();
    if (block % 5 == 2) queue_.push_front(block);
    return block;
  }
};

// Evicts what is asked for at once in the order of the ids.
class EvictsInOrder final : public kvsim::EvictionPolicy {
 public:
  void release_all(const kvsim::Released* blocks, std::size_t n, kvsim::Release how) override {
    queue_.release_all(blocks, n, how);
  }
  void hit(BlockId block, bool was_free) override { queue_.hit(block, was_free); }
  void evict_all(std::size_t n, BlockId* out) override {
    queue_.evict_all(n, out);
    std::sort(out, out + n);
  }

 private:
  Queue queue_;
};

template <class Policy>
std::string found_in() {
  const auto make = [](const EvictionSetup&) { return std::make_unique<Policy>(); };
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    if (const std::string broken = broken_rule(make, seed); !broken.empty()) return broken;
  }
  return "";
}

TEST(eviction, the_rules_tell_a_wrong_policy) {
  CHECK_EQ(found_in<Queue>(), "");
  CHECK_EQ(found_in<EvictsUsed>(), "evicts a block in use");
  CHECK_EQ(found_in<NeverFrees>(), "evicts a block that there is not");
  CHECK(found_in<FreesTwice>() != "");
  CHECK_EQ(found_in<EvictsInOrder>(), "");
  const auto in_order = [](const EvictionSetup&) { return std::make_unique<EvictsInOrder>(); };
  CHECK(batch_difference(in_order, 0) != "");
}

TEST(eviction, the_pool_refuses_a_block_in_use) {
  kvsim::BlockPool pool(3, 16);
  pool.use_shared_keys(2);
  pool.use_policy(std::make_unique<EvictsUsed>());
  std::uint32_t table[2];
  pool.take(1, table);
  pool.publish(table[0], 0);
  pool.give(table, 1, 1, 1, false);
  pool.share(table[0]);
  pool.take(1, table + 1);
  pool.publish(table[1], 1);
  pool.give(table + 1, 1, 1, 1, false);
  CHECK_THROWS_WITH(pool.take(1, table + 1), kvsim::Error, "does not hold free");
}

TEST(eviction, belady_is_min_and_nobody_beats_it) {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const BlockTrace trace = single_blocks(seed, 600, 100);
    for (const std::int64_t capacity : {1, 7, 20, 50}) {
      const std::int64_t best = hits(trace, capacity, kvsim::eviction_of<kvsim::Belady>());
      CHECK_EQ(best, hits_of_min(trace, static_cast<std::size_t>(capacity)));
      for_each_policy([&](PrefixEviction which, const std::string&) {
        CHECK(hits(trace, capacity, which) <= best);
      });
    }
  }
}

TEST(eviction, on_chains_too_belady_is_best_and_all_agree_without_limit) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const BlockTrace trace = chains(seed, 800);
    const std::int64_t unlimited = hits(trace, 400, PrefixEviction{});
    for (const std::int64_t capacity : {20, 40, 100, 200}) {
      const std::int64_t best = hits(trace, capacity, kvsim::eviction_of<kvsim::Belady>());
      CHECK(best <= unlimited);
      for_each_policy([&](PrefixEviction which, const std::string&) {
        CHECK(hits(trace, capacity, which) <= best);
        CHECK_EQ(hits(trace, 400, which), unlimited);
      });
    }
  }
}

// Once behind EvictionPolicy, in order of release: what the pool's ring does.
TEST(eviction, lru_behind_the_interface_is_the_pools_ring) {
  const BlockTrace trace = chains(3, 500);
  kvsim::BlockPool ring(41, 1);
  kvsim::BlockPool queue(41, 1);
  queue.use_policy(std::make_unique<Queue>());
  std::vector<std::uint32_t> table(20);
  for (kvsim::BlockPool* pool : {&ring, &queue}) pool->use_shared_keys(trace.num_keys);
  std::int64_t differences = 0;
  for (std::size_t r = 0; r + 1 < trace.offset.size(); ++r) {
    const std::uint32_t* keys = trace.keys.data() + trace.offset[r];
    const std::int64_t blocks = trace.offset[r + 1] - trace.offset[r];
    std::vector<std::uint32_t> taken[2];
    for (kvsim::BlockPool* pool : {&ring, &queue}) {
      std::int64_t j = 0;
      for (; j < blocks && pool->find(keys[j]) != 0; ++j) {
        table[static_cast<std::size_t>(j)] = pool->find(keys[j]);
        pool->share(pool->find(keys[j]));
      }
      const std::int64_t found = j;
      pool->take(blocks - found, table.data() + found);
      for (; j < blocks; ++j) pool->publish(table[static_cast<std::size_t>(j)], keys[j]);
      taken[pool == &queue ? 1 : 0].assign(table.begin(), table.begin() + blocks);
      pool->give(table.data(), blocks, blocks, blocks, false);
    }
    if (taken[0] != taken[1]) ++differences;
  }
  CHECK_EQ(differences, 0);
}

TEST(eviction, a_block_that_costs_more_stays_longer) {
  // A long and a short chain, each asked for once. With a cost that grows along a chain the short
  // one goes first, without it the older one.
  BlockTrace trace;
  trace.num_keys = 20;
  trace.offset = {0};
  const auto ask = [&trace](std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t j = 0; j < count; ++j) trace.keys.push_back(first + j);
    trace.offset.push_back(static_cast<std::int64_t>(trace.keys.size()));
  };
  ask(0, 6);
  ask(10, 2);
  ask(16, 2);
  ask(0, 6);
  const auto gdsf = kvsim::eviction_of<kvsim::Gdsf>();
  CHECK_EQ(kvsim::replay_cache(trace, 8, gdsf, 0, 0).hits, 4);
  CHECK_EQ(kvsim::replay_cache(trace, 8, gdsf, 0, 1).hits, 6);
}

TEST(eviction, a_request_that_the_cache_cannot_hold_is_named) {
  const BlockTrace trace = chains(1, 50);
  CHECK_THROWS_WITH(kvsim::replay_cache(trace, 5, PrefixEviction{}, 0, 0), kvsim::Error,
                    "capacities: request");
}

}  // namespace
