#include "kvsim/workload/arrival_feed.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "check.hpp"
#include "random.hpp"

namespace {

using kvsim::ArrivalFeed;
using kvsim::FrontEnd;
using kvsim::Ns;
using kvsim::RequestTable;
using Arrivals = std::vector<std::pair<Ns, std::uint32_t>>;

RequestTable table_of(std::vector<Ns> arrivals) {
  RequestTable table;
  table.prompt_tokens.assign(arrivals.size(), 100);
  table.output_tokens.assign(arrivals.size(), 10);
  table.arrival_ns = std::move(arrivals);
  return table;
}

Arrivals drain(ArrivalFeed& feed) {
  Arrivals out;
  while (!feed.exhausted()) {
    const Ns at = feed.next_time();
    out.emplace_back(at, feed.pop());
  }
  return out;
}

TEST(arrival_feed, known_arrivals_come_by_time_then_id) {
  const RequestTable in_order = table_of({0, 5, 5, 9});
  ArrivalFeed feed(in_order);
  CHECK(drain(feed) == Arrivals({{0, 0}, {5, 1}, {5, 2}, {9, 3}}));
  const RequestTable mixed = table_of({7, 2, 7, 0});
  ArrivalFeed sorted(mixed);
  CHECK(drain(sorted) == Arrivals({{0, 3}, {2, 1}, {7, 0}, {7, 2}}));
  CHECK_EQ(sorted.next_time(), ArrivalFeed::never);
}

TEST(arrival_feed, a_closed_loop_sends_the_next_request_whoever_finishes) {
  RequestTable table = table_of({0, 0, -1, -1, -1});
  table.closed_loop_concurrency = 2;
  table.closed_loop_think_ns = 10;
  ArrivalFeed feed(table);
  CHECK(drain(feed) == Arrivals({{0, 0}, {0, 1}}));
  feed.finished(1, 100);
  feed.finished(0, 100);
  CHECK(drain(feed) == Arrivals({{110, 2}, {110, 3}}));
  feed.finished(3, 150);
  feed.finished(2, 160);  // nobody is left
  CHECK(drain(feed) == Arrivals({{160, 4}}));
}

TEST(arrival_feed, a_session_s_next_turn_follows_its_own_request) {
  RequestTable table = table_of({0, -1, -1, 40});
  table.successor = {2, -1, 1, -1};
  table.delay_ns = {0, 7, 30, 0};
  ArrivalFeed feed(table);
  CHECK_EQ(feed.pop(), 0U);
  feed.finished(0, 10);
  // Known and set off at one time: the smaller id first.
  CHECK(drain(feed) == Arrivals({{40, 2}, {40, 3}}));
  feed.finished(3, 50);
  CHECK(feed.exhausted());
  feed.finished(2, 60);
  CHECK(drain(feed) == Arrivals({{67, 1}}));
}

TEST(arrival_feed, a_front_end_delays_and_may_change_the_order) {
  RequestTable table = table_of({0, 10, -1});
  table.prompt_tokens = {1000, 10, 50};
  table.closed_loop_concurrency = 2;
  ArrivalFeed feed(table, {.ns = 5, .ns_per_prompt_token = 0.1});
  CHECK_EQ(feed.first_sent(), 0);
  CHECK_EQ(feed.next_time(), 16);
  CHECK_EQ(feed.sent(1, 16), 10);
  CHECK(drain(feed) == Arrivals({{16, 1}, {105, 0}}));
  feed.finished(0, 200);
  CHECK(drain(feed) == Arrivals({{210, 2}}));
}

// Arrivals set off while others are known, against a sorted list of all.
TEST(arrival_feed, equals_a_sorted_list) {
  kvsim_test::Random random(4);
  for (int round = 0; round < 50; ++round) {
    RequestTable table;
    for (int i = 0; i < 60; ++i) {
      const bool follows = i > 0 && random.chance(40);
      table.arrival_ns.push_back(follows ? -1 : random.between(0, 100));
      table.prompt_tokens.push_back(1);
      table.output_tokens.push_back(1);
      table.successor.push_back(-1);
      table.delay_ns.push_back(random.between(0, 20));
      if (follows) table.successor[static_cast<std::size_t>(i) - 1] = i;
    }
    ArrivalFeed feed(table);
    Arrivals seen;
    while (!feed.exhausted()) {
      const Ns at = feed.next_time();
      const std::uint32_t r = feed.pop();
      seen.emplace_back(at, r);
      feed.finished(r, at);
    }
    CHECK_EQ(seen.size(), table.arrival_ns.size());
    CHECK(std::is_sorted(seen.begin(), seen.end()));
    for (const auto& [at, r] : seen) {
      if (table.arrival_ns[r] >= 0) CHECK_EQ(at, table.arrival_ns[r]);
    }
  }
}

}  // namespace
