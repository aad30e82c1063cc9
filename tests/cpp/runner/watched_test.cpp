#include "runner/watched.hpp"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "check.hpp"

namespace kvsim::runner {
namespace {

using std::chrono::milliseconds;

void until_stopped(const StopFlag& stop) {
  while (!stop.value) std::this_thread::sleep_for(milliseconds(1));
}

TEST(watched, every_thread_works_once) {
  std::atomic<int> sum = 0;
  StopFlag stop;
  run_watched(5, [&](int i) { sum += 1 << i; }, stop, [] { return true; });
  CHECK_EQ(sum.load(), 31);
  CHECK(!stop.value);
}

TEST(watched, the_watcher_stops_the_work) {
  StopFlag stop;
  int calls = 0;
  run_watched(2, [&](int) { until_stopped(stop); }, stop, [&] { return ++calls < 2; });
  CHECK_EQ(calls, 2);
}

TEST(watched, what_the_watcher_throws_ends_the_work_and_leaves) {
  StopFlag stop;
  std::atomic<int> ended = 0;
  const auto work = [&](int) {
    until_stopped(stop);
    ++ended;
  };
  CHECK_THROWS_WITH(
      run_watched(3, work, stop, []() -> bool { throw std::runtime_error("signal"); }),
      std::runtime_error, "signal");
  CHECK_EQ(ended.load(), 3);
}

TEST(watched, what_work_throws_ends_the_others_and_leaves) {
  StopFlag stop;
  const auto work = [&](int i) {
    if (i == 1) throw std::runtime_error("one failed");
    until_stopped(stop);
  };
  CHECK_THROWS_WITH(run_watched(3, work, stop, [] { return true; }), std::runtime_error,
                    "one failed");
}

}  // namespace
}  // namespace kvsim::runner
