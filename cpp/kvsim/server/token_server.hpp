// A token-level replica as one server of a fleet. Requests are handed over as they come, with ids
// of the replica's own; it runs only the scheduling calls before a horizon, so leaps survive.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "kvsim/core/control.hpp"
#include "kvsim/server/one_shot.hpp"
#include "kvsim/server/replicas.hpp"

namespace kvsim {

class TokenServer {
 public:
  TokenServer() = default;
  TokenServer(const TokenServer&) = delete;
  TokenServer& operator=(const TokenServer&) = delete;
  virtual ~TokenServer() = default;

  // Request r of `from`, sent to the replica at t; returns its id here.
  std::uint32_t submit(Ns t, const RequestTable& from, std::uint32_t r);
  [[nodiscard]] NextAct next() const {
    if (taken_ < finished_.size()) return {finished_[taken_].first, 0};
    const Ns call = next_call();
    return {call, 1};
  }
  // The finish that next() announced.
  std::uint32_t pop() {
    const std::uint32_t r = finished_[taken_++].second;
    if (taken_ == finished_.size()) {
      finished_.clear();
      taken_ = 0;
    }
    return r;
  }
  // Makes the scheduling calls before the horizon.
  void run_to(Ns horizon) {
    if (horizon > gaps_from_) {
      advance(gaps_from_);
      count_gaps();
    }
    advance(horizon);
  }
  // Counts the inter-token gaps of calls from t on in `all`; never: of all calls.
  void count_gaps_from(Ns t, ItlHistogram& all) {
    gaps_from_ = t;
    gaps_ = &all;
    if (t == kNever) count_gaps();
  }
  // Takes a request out; false if its last step has begun.
  bool cancel(std::uint32_t r) {
    for (std::size_t i = taken_; i < finished_.size(); ++i) {
      if (finished_[i].second == r) return false;
    }
    abort(r);
    return true;
  }
  virtual void set_slowdown(double factor) = 0;
  virtual void check_little() const = 0;
  [[nodiscard]] virtual Ledger& ledger() = 0;
  [[nodiscard]] const FrontEnd& front_end() const { return front_end_; }
  [[nodiscard]] std::int32_t prompt_tokens(std::uint32_t r) const {
    return table_.prompt_tokens[r];
  }

 protected:
  virtual void advance(Ns horizon) = 0;
  [[nodiscard]] virtual Ns next_call() const = 0;
  virtual void enter() = 0;
  virtual void abort(std::uint32_t r) = 0;

  RequestTable table_;
  ArrivalFeed::Finishes finished_;
  std::size_t taken_ = 0;
  FrontEnd front_end_;

 private:
  void count_gaps() {
    ledger().count_gaps_in(*gaps_);
    gaps_from_ = kNever;
  }
  Ns gaps_from_ = kNever;
  ItlHistogram* gaps_ = nullptr;
};

inline std::uint32_t TokenServer::submit(Ns t, const RequestTable& from, std::uint32_t r) {
  table_.arrival_ns.push_back(t);
  table_.prompt_tokens.push_back(from.prompt_tokens[r]);
  table_.output_tokens.push_back(from.output_tokens[r]);
  table_.number.push_back(r);
  if (!from.priority.empty()) table_.priority.push_back(from.priority[r]);
  if (!from.stop_after.empty()) table_.stop_after.push_back(from.stop_after[r]);
  if (!from.keys.offset.empty()) {
    PrefixKeys& keys = table_.keys;
    const std::uint32_t* first = from.keys.of(r);
    keys.shared.insert(keys.shared.end(), first, first + from.keys.count(r));
    keys.offset.push_back(static_cast<std::int64_t>(keys.shared.size()));
  }
  enter();
  return static_cast<std::uint32_t>(table_.size() - 1);
}

template <class Replica>
class ReplicaServer final : public TokenServer {
 public:
  // `from` tells what all requests have in common.
  ReplicaServer(const SchedulerConfig& config, const StepTimeModel& model, const RequestTable& from,
                std::int64_t longest_output, Mode mode, bool waterfall, bool first_tokens,
                bool stop_at_finish, Control control)
      : replica_(config, model, prepared(from), mode, Record::requests, waterfall, control,
                 longest_output) {
    front_end_ = config.front_end;
    replica_.open(&finished_, stop_at_finish);
    if (first_tokens) replica_.ledger().keep_first_tokens();
  }

  void set_slowdown(double factor) override {
    if constexpr (Replica::can_abort) {
      replica_.set_slowdown(factor);
    } else {
      fail(ErrorKind::invariant, "a replica with batches in flight cannot be slowed");
    }
  }
  void check_little() const override { replica_.check_little(); }
  Ledger& ledger() override { return replica_.ledger(); }

 protected:
  void advance(Ns horizon) override { replica_.advance(horizon); }
  Ns next_call() const override { return replica_.next_call(); }
  void enter() override { replica_.submit(); }
  void abort(std::uint32_t r) override {
    if constexpr (Replica::can_abort) {
      replica_.abort(r);
    } else {
      fail(ErrorKind::invariant, "a replica with batches in flight cannot abort");
    }
  }

 private:
  const RequestTable& prepared(const RequestTable& from) {
    table_.keys.num_shared_keys = from.keys.num_shared_keys;
    if (!from.keys.offset.empty()) table_.keys.offset.push_back(0);
    return table_;
  }

  Replica replica_;
};

}  // namespace kvsim
