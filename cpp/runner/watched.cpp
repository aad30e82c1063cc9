#include "runner/watched.hpp"

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace kvsim::runner {
namespace {

// The threads of one call; joins them however the scope is left.
class Crew {
 public:
  explicit Crew(StopFlag& stop) : stop_(stop) {}
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() { join(); }

  void start(int threads, const std::function<void(int)>& work) {
    errors_.resize(static_cast<std::size_t>(threads));
    running_ = 0;
    for (int i = 0; i < threads; ++i) {
      {
        const std::lock_guard lock(mutex_);
        ++running_;
      }
      try {
        threads_.emplace_back([this, i, &work] { run(i, work); });
      } catch (...) {
        // The system has no more threads: those that run do the work, unless there is none.
        const std::lock_guard lock(mutex_);
        --running_;
        if (threads_.empty()) throw;
        return;
      }
    }
  }

  // True if all are done before the interval is over.
  bool wait() {
    std::unique_lock lock(mutex_);
    return done_.wait_for(lock, poll_interval, [this] { return running_ == 0; });
  }

  void join() {
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  void rethrow() const {
    for (const std::exception_ptr& error : errors_) {
      if (error) std::rethrow_exception(error);
    }
  }

 private:
  void run(int i, const std::function<void(int)>& work) {
    try {
      work(i);
    } catch (...) {
      errors_[static_cast<std::size_t>(i)] = std::current_exception();
      stop_.value = true;
    }
    const std::lock_guard lock(mutex_);
    --running_;
    done_.notify_one();
  }

  StopFlag& stop_;
  std::mutex mutex_;
  std::condition_variable done_;
  int running_ = 0;
  std::vector<std::exception_ptr> errors_;
  std::vector<std::thread> threads_;
};

}  // namespace

void run_watched(int threads, const std::function<void(int)>& work, StopFlag& stop,
                 const std::function<bool()>& watch) {
  Crew crew(stop);
  crew.start(threads, work);
  try {
    while (!crew.wait()) {
      if (!watch()) stop.value = true;
    }
  } catch (...) {
    stop.value = true;
    crew.join();
    throw;
  }
  crew.join();
  crew.rethrow();
}

}  // namespace kvsim::runner
