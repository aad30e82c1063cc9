// What holds for every router of the list.
#include "kvsim/routing/routers.hpp"

#include <utility>
#include <vector>

#include "check.hpp"

using kvsim::Router;
using kvsim::RouterSpec;
namespace routing = kvsim::routing;

namespace {

// Requests in sessions of two, with two keys each that later ones share.
kvsim::RequestTable table_of(std::uint32_t n) {
  kvsim::RequestTable table;
  table.keys.offset.push_back(0);
  for (std::uint32_t r = 0; r < n; ++r) {
    table.prompt_tokens.push_back(32);
    table.output_tokens.push_back(1);
    table.successor.push_back(r % 2 == 0 ? static_cast<std::int32_t>(r + 1) : -1);
    table.keys.shared.insert(table.keys.shared.end(), {r % 5, 5 + r % 5});
    table.keys.offset.push_back(static_cast<std::int64_t>(table.keys.shared.size()));
  }
  table.keys.num_shared_keys = 10;
  return table;
}

struct Load {
  std::vector<std::int32_t> outstanding;
  std::vector<std::int64_t> kv;
  std::vector<double> weight;

  explicit Load(std::vector<std::int32_t> load) : outstanding(std::move(load)) {
    for (const std::int32_t n : outstanding) {
      kv.push_back(n == routing::closed ? std::numeric_limits<std::int64_t>::max() : 10 * n);
      weight.push_back(1 + n % 3);
    }
  }
  [[nodiscard]] routing::Candidates part(std::size_t first, std::size_t size) const {
    return {std::span(outstanding).subspan(first, size), std::span(kv).subspan(first, size),
            std::span(weight).subspan(first, size), static_cast<std::int32_t>(first)};
  }
};

template <std::size_t I = 0, class F>
void for_each_router(const kvsim::RequestTable& table, F&& f) {
  if constexpr (I < std::variant_size_v<RouterSpec>) {
    f(routing::make_router(RouterSpec(std::in_place_index<I>), table));
    for_each_router<I + 1>(table, f);
  }
}

std::int32_t pick(Router& router, const routing::Candidates& c, std::uint32_t r) {
  const kvsim::Stream stream(3, kvsim::Purpose::routing);
  return std::visit([&](auto& x) { return x.pick(c, {r, r, 0}, stream); }, router);
}

}  // namespace

TEST(routers, make_router_makes_the_kind_that_is_asked_for) {
  const auto table = table_of(2);
  std::size_t next = 0;
  for_each_router(table, [&](const Router& router) { CHECK_EQ(router.index(), next++); });
}

TEST(routers, choose_an_open_candidate_and_the_same_again) {
  const auto table = table_of(400);
  const Load load({3, routing::closed, 0, 2, routing::closed, 7, 1, 0});
  for_each_router(table, [&](Router router) {
    Router again = router;
    for (std::uint32_t r = 0; r < 400; ++r) {
      const std::size_t first = r % 2 == 0 ? 0 : 4;
      const auto c = load.part(first, 4);
      const std::int32_t chosen = pick(router, c, r);
      REQUIRE(chosen >= 0 && chosen < 4);
      CHECK(c.open(chosen));
      CHECK_EQ(pick(again, c, r), chosen);
    }
  });
}

TEST(routers, find_the_only_one_that_is_open) {
  const auto table = table_of(40);
  for_each_router(table, [&](Router router) {
    for (std::uint32_t r = 0; r < 40; ++r) {
      std::vector<std::int32_t> load(5, routing::closed);
      load[r % 5] = 100;
      CHECK_EQ(pick(router, Load(load).part(0, 5), r), static_cast<std::int32_t>(r % 5));
    }
  });
}

TEST(routers, those_that_read_loads_prefer_the_idle) {
  const auto table = table_of(2000);
  const Load load({9, 9, 9, 0, 9, 9});
  for_each_router(table, [&](Router router) {
    int idle = 0;
    for (std::uint32_t r = 0; r < 2000; ++r) idle += pick(router, load.part(0, 6), r) == 3 ? 1 : 0;
    if (routing::reads_state(router)) {
      CHECK(idle > 550);  // two choices find it with probability 1/3
    } else {
      CHECK(idle < 500);
    }
  });
}

TEST(routers, a_prefix_stays_where_it_is_until_that_is_overloaded) {
  const auto table = table_of(100);
  Router router = routing::make_router(routing::PrefixAffinitySpec{}, table);
  const std::int32_t home = pick(router, Load({1, 1, 1}).part(0, 3), 0);
  std::vector<std::int32_t> load{1, 1, 1};
  CHECK_EQ(pick(router, Load(load).part(0, 3), 5), home);
  load[static_cast<std::size_t>(home)] = 4;  // more than 1.25 (6 + 1) / 3
  CHECK(pick(router, Load(load).part(0, 3), 10) != home);
}
