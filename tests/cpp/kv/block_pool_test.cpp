#include "kvsim/kv/block_pool.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "kv/reference_pool.hpp"
#include "random.hpp"

namespace {

using kvsim::BlockPool;
using kvsim_test::BlockKey;
using kvsim_test::Random;
using kvsim_test::ReferencePool;
using Blocks = std::vector<BlockPool::Block>;

Blocks take(BlockPool& pool, std::int64_t n) {
  Blocks out(static_cast<std::size_t>(n));
  pool.take(n, out.data());
  return out;
}
void give(BlockPool& pool, const Blocks& table, std::int64_t published, std::int64_t shared,
          bool kept = false) {
  pool.give(table.data(), static_cast<std::int64_t>(table.size()), published, shared, kept);
}

// Takes `n` blocks and publishes them under the shared keys first_key, first_key + 1, ...
Blocks take_published(BlockPool& pool, std::int64_t n, std::uint32_t first_key) {
  const Blocks table = take(pool, n);
  for (std::size_t j = 0; j < table.size(); ++j) {
    pool.publish(table[j], first_key + static_cast<std::uint32_t>(j));
  }
  return table;
}

TEST(block_pool, block_0_is_never_handed_out) {
  BlockPool pool(5, 16);
  CHECK_EQ(pool.usable(), 4);
  CHECK_EQ(pool.free(), 4);
  CHECK_EQ(take(pool, 4), (Blocks{1, 2, 3, 4}));
  CHECK_EQ(pool.free(), 0);
}

TEST(block_pool, unkeyed_blocks_come_back_last_block_first) {
  BlockPool pool(9, 16);
  const Blocks table = take(pool, 3);
  give(pool, table, 0, 0);
  CHECK_EQ(take(pool, 4), (Blocks{3, 2, 1, 4}));
}

TEST(block_pool, keyed_blocks_wait_behind_all_unkeyed_ones_and_lose_their_tail_first) {
  BlockPool pool(6, 16);
  pool.use_shared_keys(3);
  const Blocks table = take_published(pool, 3, 0);
  give(pool, table, 3, 3);
  CHECK_EQ(pool.free(), 5);
  CHECK_EQ(take(pool, 3), (Blocks{4, 5, 3}));
  CHECK_EQ(pool.find(0), 1U);
  CHECK_EQ(pool.find(1), 2U);
  CHECK_EQ(pool.find(2), 0U);
}

TEST(block_pool, a_hit_leaves_the_queue_and_is_shared) {
  BlockPool pool(4, 16);
  pool.use_shared_keys(2);
  const Blocks table = take_published(pool, 2, 0);
  give(pool, table, 2, 2);
  CHECK(!pool.in_use(1));
  pool.share(1);
  pool.share(1);
  CHECK(pool.in_use(1));
  CHECK_EQ(pool.free(), 2);
  CHECK_EQ(take(pool, 2), (Blocks{3, 2}));
  give(pool, {1}, 1, 1);
  CHECK_EQ(pool.free(), 0);
  give(pool, {1}, 1, 1);
  CHECK_EQ(pool.free(), 1);
  CHECK_EQ(pool.find(0), 1U);
}

TEST(block_pool, of_equal_keys_the_first_published_is_found) {
  BlockPool pool(4, 16);
  pool.use_shared_keys(1);
  const Blocks first = take_published(pool, 1, 0);
  const Blocks second = take_published(pool, 1, 0);
  CHECK_EQ(pool.find(0), first[0]);
  give(pool, second, 1, 1);
  give(pool, first, 1, 1);
  CHECK_EQ(pool.find(0), first[0]);
  CHECK_EQ(take(pool, 2), (Blocks{3, second[0]}));
  CHECK_EQ(pool.find(0), first[0]);
  CHECK_EQ(take(pool, 1), first);
  CHECK_EQ(pool.find(0), 0U);
}

TEST(block_pool, private_keys_are_found_between_preemption_and_eviction) {
  BlockPool pool(5, 16);
  const Blocks table = take(pool, 3);
  CHECK_EQ(pool.find_private(7, 0), 0U);
  pool.keep_private(7, table.data(), 0, 2);
  give(pool, table, 2, 0, true);
  CHECK_EQ(pool.find_private(7, 0), 1U);
  CHECK_EQ(pool.find_private(7, 1), 2U);
  CHECK_EQ(pool.find_private(7, 2), 0U);
  CHECK_EQ(pool.find_private(8, 0), 0U);
  CHECK_EQ(take(pool, 3), (Blocks{3, 4, 2}));
  CHECK_EQ(pool.find_private(7, 1), 0U);
  pool.revive(pool.find_private(7, 0));
  CHECK_EQ(pool.free(), 0);
}

TEST(block_pool, a_finished_request_is_forgotten_but_its_blocks_stay_in_their_place) {
  BlockPool pool(4, 16);
  const Blocks table = take(pool, 2);
  pool.keep_private(0, table.data(), 0, 2);
  give(pool, table, 2, 0, true);
  pool.forget_private(0);
  CHECK_EQ(pool.find_private(0, 0), 0U);
  CHECK_EQ(take(pool, 3), (Blocks{3, 2, 1}));
}

TEST(block_pool, holes_of_revived_blocks_are_swept_out) {
  constexpr std::int64_t blocks = 8;
  BlockPool pool(blocks + 1, 16);
  pool.use_shared_keys(blocks);
  const Blocks table = take_published(pool, blocks, 0);
  give(pool, table, blocks, blocks);
  // Each round revives one block and puts it at the back: a thousand holes in a ring of 18.
  for (std::uint32_t round = 0; round < 1000; ++round) {
    const auto block = pool.find(round * 5 % blocks);
    pool.share(block);
    give(pool, {block}, 1, 1);
    REQUIRE(pool.free() == blocks);
  }
  // The last eight rounds touched every block once, in this order.
  Blocks expected;
  for (std::uint32_t round = 992; round < 1000; ++round) {
    expected.push_back(table[round * 5 % blocks]);
  }
  CHECK_EQ(take(pool, blocks), expected);
}

TEST(block_pool, digest_tells_queues_and_keys_apart) {
  BlockPool a(8, 16);
  BlockPool b(8, 16);
  CHECK_EQ(a.digest(), b.digest());
  const Blocks table = take(a, 2);
  CHECK(a.digest() != b.digest());
  give(a, {table[1], table[0]}, 0, 0);
  CHECK_EQ(a.digest(), b.digest());
  give(a, take(a, 2), 0, 0);
  CHECK(a.digest() != b.digest());
}

// Requests that are admitted, grow, get preempted and finish, on the pool and on the reference.
class Pair {
 public:
  Pair(Random& random, std::int64_t usable)
      : random_(random), pool_(usable + 1, 1), reference_(usable + 1) {
    pool_.use_shared_keys(groups * longest);
    for (std::int64_t r = 0; r < 12; ++r) {
      requests_.push_back({r, random.between(0, groups - 1), random.between(0, longest / 2)});
    }
  }

  void act() {
    Request& r = requests_[static_cast<std::size_t>(
        random_.between(0, static_cast<std::int64_t>(requests_.size()) - 1))];
    if (!r.running) {
      admit(r);
    } else if (random_.chance(60)) {
      grow(r);
    } else if (random_.chance(60)) {
      preempt(r);
    } else {
      finish(r);
    }
    CHECK_EQ(pool_.free(), reference_.free());
  }

  // Takes all that is free: the whole queue, in order.
  void drain() {
    const Blocks all = take(pool_, pool_.free());
    REQUIRE(
        std::equal(all.begin(), all.end(), reference_.queue().begin(), reference_.queue().end()));
  }

 private:
  static constexpr std::int64_t groups = 3;
  static constexpr std::int64_t longest = 24;  // blocks of a table

  struct Request {
    std::int64_t id;
    std::int64_t group;
    std::int64_t shared;  // leading blocks whose keys the group has in common
    bool running = false;
    std::int64_t preemptions = 0;
    std::int64_t published = 0;
    std::int64_t kept = 0;
    Blocks table = {};
  };

  [[nodiscard]] static BlockKey key(const Request& r, std::int64_t j) {
    return j < r.shared ? BlockKey{-1 - r.group, j} : BlockKey{r.id, j};
  }
  [[nodiscard]] static std::uint32_t shared_key(const Request& r, std::int64_t j) {
    return static_cast<std::uint32_t>(r.group * longest + j);
  }

  void admit(Request& r) {
    r.table.clear();
    const std::int64_t most = random_.between(0, longest);
    std::int64_t hits = 0;
    for (; hits < most; ++hits) {
      const bool shared = hits < r.shared;
      if (!shared && r.preemptions == 0) break;
      const auto block =
          shared ? pool_.find(shared_key(r, hits)) : pool_.find_private(uid(r), hits);
      CHECK_EQ(block, reference_.find(key(r, hits)));
      if (block == 0) break;
      if (shared) CHECK_EQ(pool_.in_use(block), reference_.in_use(block));
      r.table.push_back(block);
    }
    for (std::int64_t j = 0; j < hits; ++j) {
      const auto block = r.table[static_cast<std::size_t>(j)];
      reference_.take_reference(block);
      if (j < r.shared) {
        pool_.share(block);
      } else {
        pool_.revive(block);
      }
    }
    r.published = r.kept = hits;
    r.running = true;
    grow(r);
  }

  void grow(Request& r) {
    const auto have = static_cast<std::int64_t>(r.table.size());
    const std::int64_t n = std::min({random_.between(0, 5), longest - have, pool_.free()});
    for (const auto block : take(pool_, n)) {
      CHECK_EQ(block, reference_.take_from_front());
      r.table.push_back(block);
    }
    const std::int64_t full = random_.between(r.published, have + n);
    for (; r.published < full; ++r.published) {
      const auto block = r.table[static_cast<std::size_t>(r.published)];
      reference_.publish(block, key(r, r.published));
      if (r.published < r.shared) pool_.publish(block, shared_key(r, r.published));
    }
  }

  void leave(Request& r, bool kept) {
    give(pool_, r.table, r.published, std::min(r.shared, r.published), kept);
    reference_.free_table({r.table.begin(), r.table.end()});
    r.running = false;
  }
  void preempt(Request& r) {
    pool_.keep_private(uid(r), r.table.data(), std::max(r.shared, r.kept), r.published);
    leave(r, true);
    ++r.preemptions;
  }
  void finish(Request& r) {
    if (r.preemptions > 0) pool_.forget_private(uid(r));
    leave(r, false);
    // A new request of the same group takes its place.
    r = {r.id + 100, r.group, random_.between(0, longest / 2)};
  }
  [[nodiscard]] static std::uint32_t uid(const Request& r) {
    return static_cast<std::uint32_t>(r.id);
  }

  Random& random_;
  BlockPool pool_;
  ReferencePool reference_;
  std::vector<Request> requests_;
};

TEST(block_pool, equals_the_reference_on_random_operations) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    Pair pair(random, random.between(4, 120));
    for (int i = 0; i < 400; ++i) pair.act();
    pair.drain();
  }
}

}  // namespace
