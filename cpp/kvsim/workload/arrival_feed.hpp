// Arrivals in order of (time, id): those known from the start, and those that a finish sets off
// (closed loop, next turn of a session).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "kvsim/workload/request_table.hpp"

namespace kvsim {

class ArrivalFeed {
 public:
  static constexpr Ns never = std::numeric_limits<Ns>::max();

  explicit ArrivalFeed(const RequestTable& table) : table_(table) {
    const auto& at = table.arrival_ns;
    const bool in_order =
        std::is_sorted(at.begin(), at.end()) && (at.empty() || at.front() >= 0);
    if (!in_order) {
      for (std::uint32_t r = 0; r < at.size(); ++r) {
        if (at[r] >= 0) order_.push_back(r);
      }
      std::stable_sort(order_.begin(), order_.end(),
                       [&at](std::uint32_t a, std::uint32_t b) { return at[a] < at[b]; });
    }
    ordered_ = in_order;
    known_ = in_order ? at.size() : order_.size();
    next_client_ = table.closed_loop_concurrency;
    refresh();
  }

  [[nodiscard]] Ns next_time() const { return next_; }
  // Whether arrivals are left that need no finish to set them off.
  [[nodiscard]] bool exhausted() const { return next_ == never; }

  // The next arrival's id; its time is next_time().
  std::uint32_t pop() {
    std::uint32_t r;
    if (!heap_.empty() && (cursor_ == known_ || heap_.front() < std::pair{known_time(), known_id()})) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>{});
      r = heap_.back().second;
      heap_.pop_back();
    } else {
      r = known_id();
      ++cursor_;
    }
    refresh();
    return r;
  }

  void finished(std::uint32_t r, Ns now) {
    if (table_.closed_loop_concurrency > 0) {
      if (next_client_ < table_.size()) {
        push(now + table_.closed_loop_think_ns, static_cast<std::uint32_t>(next_client_++));
      }
    } else if (!table_.successor.empty() && table_.successor[r] >= 0) {
      const auto next = static_cast<std::uint32_t>(table_.successor[r]);
      push(now + table_.delay_ns[next], next);
    }
  }

 private:
  [[nodiscard]] std::uint32_t known_id() const {
    return ordered_ ? static_cast<std::uint32_t>(cursor_) : order_[cursor_];
  }
  [[nodiscard]] Ns known_time() const { return table_.arrival_ns[known_id()]; }
  void push(Ns t, std::uint32_t r) {
    heap_.emplace_back(t, r);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>{});
    refresh();
  }
  void refresh() {
    next_ = cursor_ < known_ ? known_time() : never;
    if (!heap_.empty() && heap_.front().first < next_) next_ = heap_.front().first;
  }

  const RequestTable& table_;
  std::vector<std::uint32_t> order_;
  std::vector<std::pair<Ns, std::uint32_t>> heap_;
  std::size_t cursor_ = 0;
  std::size_t known_ = 0;
  bool ordered_ = true;
  std::int64_t next_client_ = 0;
  Ns next_ = never;
};

}  // namespace kvsim
