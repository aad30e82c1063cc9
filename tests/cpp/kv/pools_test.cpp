// The pool that only counts, and the store of block tables.

#include <cstdint>
#include <vector>

#include "check.hpp"
#include "kvsim/kv/count_pool.hpp"
#include "kvsim/kv/table_store.hpp"
#include "random.hpp"

namespace {

TEST(count_pool, keeps_one_block_as_the_null_block) {
  kvsim::CountPool pool(10, 16);
  CHECK_EQ(pool.usable(), 9);
  pool.take(4);
  CHECK_EQ(pool.free(), 5);
  pool.give(3);
  CHECK_EQ(pool.free(), 8);
  CHECK_EQ(pool.usable(), 9);
}

TEST(table_store, tables_keep_their_entries_while_others_come_and_go) {
  struct Table {
    kvsim::TableStore::Handle handle;
    std::uint32_t entries;
    std::uint32_t mark;
  };
  kvsim::TableStore store;
  kvsim_test::Random random(1);
  std::vector<Table> tables;
  for (std::uint32_t round = 0; round < 2000; ++round) {
    if (tables.size() > 40 || (!tables.empty() && random.chance(40))) {
      const auto at = random.between(0, static_cast<std::int64_t>(tables.size()) - 1);
      const Table gone = tables[static_cast<std::size_t>(at)];
      for (std::uint32_t i = 0; i < gone.entries; ++i) {
        REQUIRE(store.at(gone.handle)[i] == gone.mark + i);
      }
      store.release(gone.handle, gone.entries);
      tables.erase(tables.begin() + at);
    } else {
      const auto entries = static_cast<std::uint32_t>(random.between(1, 300));
      const Table fresh{store.allocate(entries), entries, round * 1000};
      for (std::uint32_t i = 0; i < entries; ++i) store.at(fresh.handle)[i] = fresh.mark + i;
      tables.push_back(fresh);
    }
  }
}

TEST(table_store, released_space_is_used_again) {
  kvsim::TableStore store;
  const auto first = store.allocate(20);
  store.allocate(20);
  store.release(first, 20);
  CHECK_EQ(store.allocate(25), first);
}

}  // namespace
