#include "kvsim/scheduler/waiting_queue.hpp"

#include <cstdint>
#include <deque>
#include <set>
#include <tuple>
#include <vector>

#include "check.hpp"
#include "random.hpp"

namespace {

using kvsim::WaitingQueue;

std::vector<std::uint32_t> drain(WaitingQueue& queue) {
  std::vector<std::uint32_t> ids;
  for (; !queue.empty(); queue.pop()) ids.push_back(queue.head());
  return ids;
}

TEST(waiting_queue, first_come_first_served_and_preempted_ones_in_front) {
  WaitingQueue queue(false);
  for (std::uint32_t id = 0; id < 3; ++id) queue.push({0, id, 0});
  // Victims of one step are taken from the tail of the running ones, so they wait in running order.
  queue.push_preempted({0, 9, 0});
  queue.push_preempted({0, 8, 0});
  CHECK_EQ(queue.size(), 5U);
  CHECK_EQ(drain(queue), (std::vector<std::uint32_t>{8, 9, 0, 1, 2}));
}

TEST(waiting_queue, priority_then_arrival_then_id) {
  WaitingQueue queue(true);
  queue.push({1, 0, 10});
  queue.push({0, 1, 30});
  queue.push({0, 4, 20});
  queue.push({0, 3, 20});
  queue.push_preempted({1, 2, 5});
  CHECK_EQ(drain(queue), (std::vector<std::uint32_t>{3, 4, 1, 2, 0}));
}

// Long enough for the queue to throw away what it has passed.
TEST(waiting_queue, fcfs_equals_a_deque) {
  WaitingQueue queue(false);
  std::deque<std::uint32_t> model;
  kvsim_test::Random random(1);
  for (std::uint32_t id = 0; id < 100'000; ++id) {
    const std::int64_t fill = id < 30'000 ? 60 : 45;
    if (model.empty() || random.chance(fill)) {
      queue.push({0, id, 0});
      model.push_back(id);
    } else if (random.chance(10)) {
      queue.push_preempted({0, id, 0});
      model.push_front(id);
    } else {
      queue.pop();
      model.pop_front();
    }
    REQUIRE(queue.size() == model.size());
    REQUIRE(model.empty() || queue.head() == model.front());
  }
  std::vector<std::uint32_t> all;
  queue.for_each([&all](std::uint32_t id) { all.push_back(id); });
  CHECK(std::deque<std::uint32_t>(all.begin(), all.end()) == model);
}

TEST(waiting_queue, priority_equals_a_sorted_set) {
  WaitingQueue queue(true);
  std::set<std::tuple<std::int64_t, kvsim::Ns, std::uint32_t>> model;
  kvsim_test::Random random(2);
  for (std::uint32_t id = 0; id < 5000; ++id) {
    if (model.empty() || random.chance(52)) {
      const auto priority = static_cast<std::int32_t>(random.between(-2, 2));
      const kvsim::Ns arrival = random.between(0, 20);
      queue.push({priority, id, arrival});
      model.insert({priority, arrival, id});
    } else {
      queue.pop();
      model.erase(model.begin());
    }
    REQUIRE(queue.size() == model.size());
    REQUIRE(model.empty() || queue.head() == std::get<2>(*model.begin()));
  }
}

}  // namespace
