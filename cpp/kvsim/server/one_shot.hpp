// A server of a model that answers in one pass: c workers, each serving a batch of up to max_batch
// for (s0 + s1 b) times a random factor; a batch starts when it is full or its first request has
// waited for the window (Triton's dynamic batcher). First come, first served, or earliest deadline.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "kvsim/core/int128.hpp"
#include "kvsim/core/time.hpp"
#include "kvsim/scenario/fleet_types.hpp"
#include "kvsim/server/law.hpp"

namespace kvsim {

// What a server will do next if nothing comes from outside. At one time, completions come before
// what arrives from outside, and that before starts.
struct NextAct {
  Ns time = kNever;
  int phase = 0;  // 0 a completion, 1 a start (one-shot) or a scheduling call (token-level)
};

// A sub-request as a one-shot server holds it. The service factor is drawn from (entity, draw).
struct OneShotItem {
  std::uint32_t copy = 0;
  bool waiting = false;
  Ns reached = 0;
  Ns deadline = 0;
  std::uint64_t entity = 0;
  std::uint64_t draw = 0;
};

struct OneShotTotals {
  Ns busy_ns = 0;  // of workers
  std::int64_t batches = 0;
  std::int64_t served = 0;
  std::int64_t wakeups = 0;
  std::int64_t max_waiting = 0;
  std::int64_t max_running = 0;
  Int128 waiting_integral = 0;  // requests * ns
  Int128 running_integral = 0;
  Int128 sojourn = 0;  // sum of the times that they were here
};

class OneShotServer {
 public:
  OneShotServer(const OneShotSpec& spec, Ns wakeup_ns)
      : workers_(static_cast<std::size_t>(spec.workers)),
        max_batch_(static_cast<std::size_t>(spec.max_batch)),
        window_(ns_from_ms(spec.window_ms)),
        s0_ns_(spec.s0_ms * 1e6),
        s1_ns_(spec.s1_ms * 1e6),
        edf_(spec.discipline == Discipline::edf),
        wakeup_(wakeup_ns) {}

  [[nodiscard]] NextAct next() const {
    const Ns done = busy_.empty() ? kNever : busy_.front().finish;
    Ns start = kNever;
    if (waiting_ > 0 && busy_.size() < workers_) {
      start = waiting_ >= max_batch_ || window_ == 0 ? now_ : std::max(now_, oldest() + window_);
    }
    return done <= start ? NextAct{done, 0} : NextAct{start, 1};
  }

  // Returns a handle for cancel().
  std::uint64_t submit(Ns t, OneShotItem item);
  // True if it was still waiting; what is in service is finished.
  bool cancel(Ns t, std::uint64_t handle);

  // The completion that next() announced: calls done(copy, start) for each of the batch.
  template <class Done>
  void complete(Done&& done);
  // The start that next() announced: calls started(copy) for each of the batch.
  template <class Started>
  void start(Ns t, LawSampler& law, Started&& started);

  // It fails: all that it has is lost.
  template <class Lost>
  void fail(Ns t, Lost&& lost);
  void set_slowdown(double factor) { slowdown_ = factor; }

  [[nodiscard]] std::int64_t waiting() const { return static_cast<std::int64_t>(waiting_); }
  [[nodiscard]] std::int64_t running() const { return running_; }
  [[nodiscard]] Ns service_ns(std::size_t batch, double factor) const {
    return round_half_even_checked(
        (s0_ns_ + s1_ns_ * static_cast<double>(batch)) * factor * slowdown_, "fleet.server.s0_ms");
  }
  [[nodiscard]] std::int64_t workers() const { return static_cast<std::int64_t>(workers_); }

  OneShotTotals totals;

 private:
  struct Batch {
    std::vector<OneShotItem> items;
    Ns start = 0;
  };
  struct Busy {
    Ns finish;
    std::int64_t order;  // of starts
    std::uint32_t batch;
    bool operator>(const Busy& other) const {
      return std::pair(finish, order) > std::pair(other.finish, other.order);
    }
  };
  struct Due {
    Ns deadline;
    std::uint64_t handle;
    bool operator>(const Due& other) const {
      return std::pair(deadline, handle) > std::pair(other.deadline, other.handle);
    }
  };

  void move_to(Ns t) {
    // Who arrives at one time has all its starts at this time behind it.
    if (t > now_) totals.max_waiting = std::max(totals.max_waiting, waiting());
    totals.waiting_integral += static_cast<Int128>(waiting_) * (t - now_);
    totals.running_integral += Int128{running_} * (t - now_);
    now_ = t;
  }
  [[nodiscard]] OneShotItem& at(std::uint64_t handle) { return ring_[handle & (ring_.size() - 1)]; }
  [[nodiscard]] Ns oldest() const { return ring_[head_ & (ring_.size() - 1)].reached; }
  void drop_head() {
    while (head_ < tail_ && !at(head_).waiting) ++head_;
  }
  OneShotItem take() {
    std::uint64_t handle = head_;
    if (edf_) {
      do {
        std::pop_heap(due_.begin(), due_.end(), std::greater<>{});
        handle = due_.back().handle;
        due_.pop_back();
      } while (handle < head_ || !at(handle).waiting);
    }
    const OneShotItem item = at(handle);
    at(handle).waiting = false;
    --waiting_;
    drop_head();
    return item;
  }
  void grow();
  std::uint32_t free_batch() {
    if (spare_.empty()) {
      batches_.emplace_back();
      return static_cast<std::uint32_t>(batches_.size() - 1);
    }
    const std::uint32_t b = spare_.back();
    spare_.pop_back();
    return b;
  }

  std::size_t workers_;
  std::size_t max_batch_;
  Ns window_;
  double s0_ns_;
  double s1_ns_;
  bool edf_;
  Ns wakeup_;
  double slowdown_ = 1;

  Ns now_ = 0;
  std::vector<OneShotItem> ring_ = std::vector<OneShotItem>(16);  // [head, tail), size a power of 2
  std::uint64_t head_ = 0;                                        // the oldest that waits
  std::uint64_t tail_ = 0;
  std::size_t waiting_ = 0;
  std::vector<Due> due_;  // earliest deadline first: a heap
  std::int64_t running_ = 0;
  std::vector<Busy> busy_;  // a heap, earliest finish first
  std::vector<Batch> batches_;
  std::vector<std::uint32_t> spare_;
};

template <class Done>
void OneShotServer::complete(Done&& done) {
  std::pop_heap(busy_.begin(), busy_.end(), std::greater<>{});
  const Busy first = busy_.back();
  busy_.pop_back();
  move_to(first.finish);
  Batch& batch = batches_[first.batch];
  totals.busy_ns += now_ - batch.start;
  running_ -= static_cast<std::int64_t>(batch.items.size());
  for (const OneShotItem& item : batch.items) {
    totals.sojourn += now_ - item.reached;
    done(item.copy, batch.start);
  }
  batch.items.clear();
  spare_.push_back(first.batch);
}

template <class Started>
void OneShotServer::start(Ns t, LawSampler& law, Started&& started) {
  move_to(t);
  const std::size_t size = std::min(waiting_, max_batch_);
  const std::uint32_t b = free_batch();
  Batch& batch = batches_[b];
  batch.start = t;
  for (std::size_t i = 0; i < size; ++i) batch.items.push_back(take());
  const OneShotItem& first = batch.items.front();
  Ns duration = service_ns(size, law.factor(first.entity, first.draw));
  if (busy_.empty() && wakeup_ > 0) duration += wakeup_;
  if (busy_.empty()) ++totals.wakeups;
  busy_.push_back({t + duration, totals.batches, b});
  std::push_heap(busy_.begin(), busy_.end(), std::greater<>{});
  running_ += static_cast<std::int64_t>(size);
  ++totals.batches;
  totals.served += static_cast<std::int64_t>(size);
  totals.max_running = std::max(totals.max_running, running_);
  for (std::size_t i = 0; i < size; ++i) started(batches_[b].items[i].copy);
}

template <class Lost>
void OneShotServer::fail(Ns t, Lost&& lost) {
  move_to(t);
  std::vector<OneShotItem> all;
  for (const Busy& busy : busy_) {
    Batch& batch = batches_[busy.batch];
    totals.busy_ns += t - batch.start;
    all.insert(all.end(), batch.items.begin(), batch.items.end());
    batch.items.clear();
    spare_.push_back(busy.batch);
  }
  busy_.clear();
  for (; head_ < tail_; ++head_) {
    if (at(head_).waiting) all.push_back(at(head_));
    at(head_).waiting = false;
  }
  due_.clear();
  waiting_ = 0;
  running_ = 0;
  for (const OneShotItem& item : all) totals.sojourn += t - item.reached;
  for (const OneShotItem& item : all) lost(item.copy);
}

}  // namespace kvsim
