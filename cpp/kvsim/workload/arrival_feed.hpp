// Arrivals at the scheduler in order of (time, id): those known from the start, and those that a
// finish sets off (closed loop, next turn of a session), each the front end's delay after it was
// sent.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "kvsim/core/sort.hpp"
#include "kvsim/workload/request_table.hpp"

namespace kvsim {

// Time between sending a request and its reaching the scheduler: HTTP, tokenisation, hand-over.
struct FrontEnd {
  double ns = 0;
  double ns_per_prompt_token = 0;

  [[nodiscard]] bool none() const { return ns == 0 && ns_per_prompt_token == 0; }
  [[nodiscard]] Ns delay(std::int32_t prompt_tokens) const {
    return round_half_even(ns + ns_per_prompt_token * prompt_tokens);
  }
};

class ArrivalFeed {
 public:
  static constexpr Ns never = std::numeric_limits<Ns>::max();

  explicit ArrivalFeed(const RequestTable& table, const FrontEnd& front_end = {})
      : table_(table), front_end_(front_end) {
    if (!front_end.none()) reached_ = delayed(table, front_end);
    const auto& at = times();
    for (const Ns t : table.arrival_ns) {
      if (t >= 0) first_sent_ = std::min(first_sent_, t);
    }
    const bool in_order = std::is_sorted(at.begin(), at.end()) && (at.empty() || at.front() >= 0);
    if (!in_order) {
      for (std::uint32_t r = 0; r < at.size(); ++r) {
        if (at[r] >= 0) order_.push_back(r);
      }
      sort_rows(order_, [&at](std::uint32_t r) { return at[r]; });
    }
    ordered_ = in_order;
    known_ = in_order ? at.size() : order_.size();
    next_client_ = table.closed_loop_concurrency;
    refresh();
  }

  // Up to when nothing arrives: the next arrival's time, or the horizon if that comes first.
  [[nodiscard]] Ns next_time() const { return next_; }
  [[nodiscard]] Ns next_arrival() const { return arrival_; }

  // A replica of a fleet gets its requests as the run goes (appended to the table, in order of
  // time) and runs only scheduling calls before a horizon. What finishes goes to `finished`, with
  // its time; whether that sets off other requests is the fleet's business.
  using Finishes = std::vector<std::pair<Ns, std::uint32_t>>;
  void open(Finishes* finished, bool stop_at_finish) {
    finished_ = finished;
    stop_at_finish_ = stop_at_finish;
  }
  void submit(std::uint32_t r) {
    if (!front_end_.none()) return push(table_.arrival_ns[r], r);
    known_ = std::size_t{r} + 1;
    refresh();
  }
  [[nodiscard]] Ns horizon() const { return horizon_; }
  void set_horizon(Ns t) {
    horizon_ = t;
    refresh();
  }

  // When the request was sent that reaches the scheduler at this time.
  [[nodiscard]] Ns sent(std::uint32_t r, Ns reached) const { return reached - delay(r); }
  // The first time at which a request is sent; never without any.
  [[nodiscard]] Ns first_sent() const { return first_sent_; }
  // Whether arrivals are left that need no finish to set them off.
  [[nodiscard]] bool exhausted() const { return next_ == never; }

  // The next arrival's id; its time is next_arrival().
  std::uint32_t pop() {
    std::uint32_t r;
    if (!heap_.empty() &&
        (cursor_ == known_ || heap_.front() < std::pair{known_time(), known_id()})) {
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
    if (finished_ != nullptr) {
      finished_->emplace_back(now, r);
      if (stop_at_finish_) set_horizon(std::min(horizon_, now));
      return;
    }
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
  [[nodiscard]] const std::vector<Ns>& times() const {
    return front_end_.none() ? table_.arrival_ns : reached_;
  }
  [[nodiscard]] Ns known_time() const { return times()[known_id()]; }
  [[nodiscard]] Ns delay(std::uint32_t r) const {
    return front_end_.none() ? 0 : front_end_.delay(table_.prompt_tokens[r]);
  }
  static std::vector<Ns> delayed(const RequestTable& table, const FrontEnd& front_end) {
    std::vector<Ns> out = table.arrival_ns;
    for (std::size_t r = 0; r < out.size(); ++r) {
      if (out[r] >= 0) out[r] += front_end.delay(table.prompt_tokens[r]);
    }
    return out;
  }
  void push(Ns sent, std::uint32_t r) {
    heap_.emplace_back(sent + delay(r), r);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>{});
    refresh();
  }
  void refresh() {
    arrival_ = cursor_ < known_ ? known_time() : never;
    if (!heap_.empty() && heap_.front().first < arrival_) arrival_ = heap_.front().first;
    next_ = std::min(arrival_, horizon_);
  }

  const RequestTable& table_;
  FrontEnd front_end_;
  std::vector<Ns> reached_;  // arrival_ns and the delay; empty without one
  Ns first_sent_ = never;
  std::vector<std::uint32_t> order_;
  std::vector<std::pair<Ns, std::uint32_t>> heap_;
  std::size_t cursor_ = 0;
  std::size_t known_ = 0;
  bool ordered_ = true;
  std::int64_t next_client_ = 0;
  Ns arrival_ = never;
  Ns horizon_ = never;
  Ns next_ = never;
  Finishes* finished_ = nullptr;
  bool stop_at_finish_ = false;
};

}  // namespace kvsim
