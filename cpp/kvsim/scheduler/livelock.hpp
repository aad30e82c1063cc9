// Recognises that the scheduler makes no progress for ever (SCHEDULER.md 9.8 and 9.9: the real one
// would never return): either a call scheduled nothing with nothing running, or the scheduler's
// state, by a 64-bit digest of it, recurs although no token was produced and nothing can arrive.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "kvsim/scheduler/state.hpp"

namespace kvsim {

template <class Pool>
class LivelockWatch {
 public:
  explicit LivelockWatch(const SchedulerState<Pool>& state) : s_(state) {}

  void progress() { stalled_ = 0; }

  // After a call that scheduled nothing or preempted.
  void check(bool no_more_arrivals) {
    if (s_.plan.empty() && s_.preempted.empty()) fail(ErrorKind::livelock, stuck_head());
    if (stalled_ == 0) {
      since_ns_ = s_.ledger->now();
      victims_.clear();
    }
    for (const Preempted& p : s_.preempted) note(p.id);
    ++stalled_;
    if (stalled_ < patience) return;
    if (!no_more_arrivals && s_.ledger->now() > since_ns_) return;
    // Brent: compare with the state at the last power of two.
    const std::uint64_t now = digest();
    if (stalled_ > patience && now == mark_) fail(ErrorKind::livelock, recurring());
    if ((stalled_ & (stalled_ - 1)) == 0) mark_ = now;
  }

 private:
  static constexpr std::uint64_t patience = 64;

  void note(RequestId r) {
    if (victims_.size() < 8 && std::find(victims_.begin(), victims_.end(), r) == victims_.end()) {
      victims_.push_back(r);
    }
  }

  [[nodiscard]] std::uint64_t digest() const {
    std::uint64_t h = 1469598103934665603ULL;
    const auto mix = [&h](std::uint64_t x) { h = (h ^ (x + 1)) * 1099511628211ULL; };
    for (const RequestId r : s_.running) {
      const Seq& q = s_.seqs[r];
      if (!q.live) continue;
      mix(r);
      mix(static_cast<std::uint64_t>(q.computed));
      mix(static_cast<std::uint64_t>(q.drafts) * 2 + (q.chunking ? 1 : 0));
      if constexpr (Pool::has_cache) {
        if (!s_.cfg.prefix_caching || q.lazy) continue;
        for (std::int32_t j = 0; j < q.blocks; ++j) mix(s_.table(q)[j]);
      }
    }
    for (std::size_t r = 0; r < s_.flights.size(); ++r) {
      const Flight& f = s_.flights[r];
      if (f.in_flight == 0) continue;
      mix(r);
      mix(static_cast<std::uint64_t>(f.unseen));
      mix(static_cast<std::uint64_t>(f.in_flight));
      mix(static_cast<std::uint64_t>(f.stale));
    }
    for (const std::int32_t tokens : s_.host.tokens()) mix(static_cast<std::uint64_t>(tokens));
    mix(~std::uint64_t{1});
    s_.waiting.for_each([&mix](RequestId r) { mix(r); });
    mix(static_cast<std::uint64_t>(
        std::min(s_.executed - s_.last_prefill, s_.cfg.prefill_interval)));
    mix(s_.bound ? 1 : 0);
    mix(static_cast<std::uint64_t>(s_.pool.free()));
    if constexpr (Pool::has_cache) {
      if (s_.cfg.prefix_caching) mix(s_.pool.digest());
    }
    return h;
  }

  [[nodiscard]] std::string stuck_head() const {
    const RequestId r = s_.waiting.head();
    const Seq& q = s_.seqs[r];
    const std::int64_t blocks = ceil_div(q.known, s_.cfg.block_size);
    std::string text = "livelock: request " + std::to_string(r) + " (" + std::to_string(q.known) +
                       " tokens, " + std::to_string(blocks) + " blocks) is at the head of the " +
                       "waiting queue and can never be admitted: nothing runs, ";
    if (s_.admission_end == Admission::unchunked) {
      return text + "chunked prefill is disabled and max_num_batched_tokens is " +
             std::to_string(s_.cfg.budget);
    }
    return text + std::to_string(s_.pool.free()) + " blocks are free of " +
           std::to_string(s_.pool.usable()) + " usable ones (engine.num_gpu_blocks - 1)";
  }
  [[nodiscard]] std::string recurring() const {
    std::string text = "livelock: the scheduler's state recurs without a token being produced; ";
    text += victims_.size() == 1 ? "request" : "requests";
    for (const RequestId r : victims_)
      text += (r == victims_.front() ? " " : ", ") + std::to_string(r);
    return text + (victims_.size() == 1 ? " preempts itself" : " preempt each other") +
           " for ever with " + std::to_string(s_.pool.usable()) +
           " usable blocks (engine.num_gpu_blocks - 1); vLLM's scheduler would never end either";
  }

  const SchedulerState<Pool>& s_;
  std::uint64_t stalled_ = 0;
  std::uint64_t mark_ = 0;
  Ns since_ns_ = 0;
  std::vector<RequestId> victims_;
};

}  // namespace kvsim
