// Threads that work while the caller's thread watches, so that it can handle signals, deadlines and
// progress.
#pragma once

#include <chrono>
#include <functional>

namespace kvsim::runner {

// Between two calls of the watcher; short enough for Ctrl-C to feel instant.
inline constexpr std::chrono::milliseconds poll_interval{40};

// Asked to stop by the watcher, which work must look at.
struct StopFlag {
  volatile bool value = false;
};

// Runs work(index) on `threads` new threads and returns when all have returned. Meanwhile this
// thread calls watch() every poll_interval; false sets the flag. What watch or a work throws sets
// it too and is thrown again from here, after the threads have ended; of several, the watcher's,
// else the lowest thread's.
void run_watched(int threads, const std::function<void(int)>& work, StopFlag& stop,
                 const std::function<bool()>& watch);

}  // namespace kvsim::runner
