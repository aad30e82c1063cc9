#include "kvsim/fleet/events.hpp"

#include "check.hpp"

using kvsim::EventHeap;
using kvsim::EventKind;
using kvsim::NextServer;

TEST(fleet_events, ties_go_by_kind_and_then_by_creation) {
  EventHeap heap;
  heap.push(5, EventKind::hedge, 1);
  heap.push(5, EventKind::delivery, 2);
  heap.push(5, EventKind::delivery, 3);
  heap.push(4, EventKind::hedge, 4);
  heap.push(5, EventKind::recovery, 5);
  std::vector<std::uint32_t> order;
  while (!heap.empty()) order.push_back(heap.pop().id);
  CHECK(order == (std::vector<std::uint32_t>{4, 5, 2, 3, 1}));
  CHECK_EQ(heap.next_time(), kvsim::kNever);
}

TEST(fleet_events, the_next_server_is_the_earliest_completions_first) {
  for (const std::size_t n : {1U, 3U, 8U, 100U}) {
    NextServer next(n);
    CHECK_EQ(next.first_key(), NextServer::never);
    next.update(n - 1, {10, 1});
    CHECK_EQ(next.first(), n - 1);
    CHECK_EQ(next.second_time(), kvsim::kNever);
    if (n == 1) continue;
    next.update(0, {10, 0});
    CHECK_EQ(next.first(), 0U);
    CHECK_EQ(next.first_act().phase, 0);
    CHECK_EQ(next.second_time(), 10);
    next.update(1, {9, 1});
    CHECK_EQ(next.first(), 1U);
    next.update(1, {kvsim::kNever, 0});
    CHECK_EQ(next.first(), 0U);
    next.update(n - 1, {10, 0});
    CHECK_EQ(next.first(), 0U);  // a tie
  }
}
