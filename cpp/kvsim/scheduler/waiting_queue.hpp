// Requests that wait: FCFS with preempted ones in front, or a heap by (priority, arrival, id).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvsim/core/time.hpp"

namespace kvsim {

class WaitingQueue {
 public:
  explicit WaitingQueue(bool priority) : priority_(priority) {}

  struct Entry {
    std::int32_t priority;
    std::uint32_t id;
    Ns arrival_ns;
  };

  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const {
    return heap_.size() + front_.size() + (fifo_.size() - head_);
  }
  [[nodiscard]] std::uint32_t head() const {
    if (priority_) return heap_.front().id;
    return front_.empty() ? fifo_[head_] : front_.back();
  }
  void push(const Entry& e) {
    if (priority_) {
      push_heap(e);
    } else {
      fifo_.push_back(e.id);
    }
  }
  // A preempted request: FCFS puts it before all others.
  void push_preempted(const Entry& e) {
    if (priority_) {
      push_heap(e);
    } else {
      front_.push_back(e.id);
    }
  }
  void pop() {
    if (priority_) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      heap_.pop_back();
    } else if (!front_.empty()) {
      front_.pop_back();
    } else if (++head_ == fifo_.size()) {
      fifo_.clear();
      head_ = 0;
    } else if (head_ >= 4096 && 2 * head_ >= fifo_.size()) {
      fifo_.erase(fifo_.begin(), fifo_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
  }
  // Takes a request out of the middle: it finished with output that was in flight when it was
  // preempted.
  void erase(std::uint32_t id) {
    if (priority_) {
      std::erase_if(heap_, [id](const Entry& e) { return e.id == id; });
      std::make_heap(heap_.begin(), heap_.end(), later);
    } else if (std::erase(front_, id) == 0) {
      fifo_.erase(std::find(fifo_.begin() + static_cast<std::ptrdiff_t>(head_), fifo_.end(), id));
    }
  }
  // Every waiting id, for messages and digests; a heap's are in heap order.
  template <class F>
  void for_each(F&& f) const {
    for (const Entry& e : heap_) f(e.id);
    for (std::size_t i = front_.size(); i > 0; --i) f(front_[i - 1]);
    for (std::size_t i = head_; i < fifo_.size(); ++i) f(fifo_[i]);
  }

 private:
  static bool later(const Entry& a, const Entry& b) {
    if (a.priority != b.priority) return a.priority > b.priority;
    if (a.arrival_ns != b.arrival_ns) return a.arrival_ns > b.arrival_ns;
    return a.id > b.id;
  }
  void push_heap(const Entry& e) {
    heap_.push_back(e);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  bool priority_;
  std::vector<Entry> heap_;
  std::vector<std::uint32_t> front_;  // back = head of the queue
  std::vector<std::uint32_t> fifo_;
  std::size_t head_ = 0;
};

}  // namespace kvsim
