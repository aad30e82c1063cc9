#include "runner/table_cache.hpp"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"

namespace kvsim::runner {
namespace {

RequestTable table_of(std::size_t requests) {
  RequestTable t;
  t.prompt_tokens.assign(requests, 1);
  return t;
}

TEST(table_cache, a_table_is_built_once) {
  TableCache cache;
  std::atomic<int> built = 0;
  const auto build = [&] {
    ++built;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return table_of(3);
  };
  std::vector<std::thread> threads;
  std::atomic<std::int64_t> sizes = 0;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { sizes += cache.get("k", build)->size(); });
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(built.load(), 1);
  CHECK_EQ(sizes.load(), 24);
  CHECK_EQ(cache.get("other", [] { return table_of(2); })->size(), 2);
  CHECK_EQ(cache.builds(), 2U);
}

TEST(table_cache, keeps_what_was_used_last_within_its_bytes) {
  const std::size_t bytes = table_bytes(table_of(1000));
  CHECK_EQ(bytes, 4000U);
  TableCache cache(2 * bytes);
  const auto build = [] { return table_of(1000); };
  for (const char* key : {"a", "b", "a", "c"}) static_cast<void>(cache.get(key, build));
  CHECK_EQ(cache.builds(), 3U);
  static_cast<void>(cache.get("a", build));  // still there, "b" went
  CHECK_EQ(cache.builds(), 3U);
  static_cast<void>(cache.get("b", build));
  CHECK_EQ(cache.builds(), 4U);
}

TEST(table_cache, a_table_outlives_its_place) {
  TableCache cache(1);
  const auto first = cache.get("a", [] { return table_of(5); });
  static_cast<void>(cache.get("b", [] { return table_of(6); }));
  static_cast<void>(cache.get("c", [] { return table_of(7); }));
  CHECK_EQ(first->size(), 5);
}

TEST(table_cache, what_building_throws_is_not_kept) {
  TableCache cache;
  const auto fails = []() -> RequestTable { throw std::runtime_error("no such dataset"); };
  CHECK_THROWS_WITH(cache.get("k", fails), std::runtime_error, "no such dataset");
  CHECK_THROWS_WITH(cache.get("k", fails), std::runtime_error, "no such dataset");
  CHECK_EQ(cache.builds(), 2U);
  CHECK_EQ(cache.get("k", [] { return table_of(4); })->size(), 4);
}

}  // namespace
}  // namespace kvsim::runner
