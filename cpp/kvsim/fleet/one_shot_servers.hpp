// One-shot servers as the fleet loop drives them. What servers of a fleet have to offer
// (token-level ones are in token_servers.hpp): submit, cancel, what they do next, act.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kvsim/core/error.hpp"
#include "kvsim/fleet/copies.hpp"
#include "kvsim/result.hpp"
#include "kvsim/scenario/scenario.hpp"
#include "kvsim/server/one_shot.hpp"

namespace kvsim {

// A copy of a sub-request on its way to a server.
struct SubRequest {
  std::uint32_t copy;
  std::uint32_t request;
  std::uint64_t entity;  // (request, part); with `draw`, an attempt, what random draws depend on
  std::uint64_t draw;
  Ns deadline;
};

class OneShotServers {
 public:
  static constexpr bool tokens = false;

  OneShotServers(const FleetSpec& fleet, std::uint64_t seed) {
    const Ns wakeup = fleet.power ? ns_from_ms(fleet.power->wakeup_ms) : 0;
    const auto& common = std::get<OneShotSpec>(fleet.server);
    const auto add = [&](const OneShotSpec& spec, std::int64_t count) {
      const auto law = static_cast<std::uint32_t>(laws_.size());
      laws_.emplace_back(spec.jitter, seed, Purpose::service);
      for (std::int64_t i = 0; i < count; ++i) {
        servers_.emplace_back(spec, wakeup);
        law_of_.push_back(law);
      }
    };
    if (fleet.groups.empty()) add(common, fleet.num_servers);
    for (const ReplicaGroup& g : fleet.groups) add(g.one_shot.value_or(common), g.count);
  }

  [[nodiscard]] std::size_t size() const { return servers_.size(); }
  [[nodiscard]] NextAct next(std::size_t s) const { return servers_[s].next(); }

  std::uint64_t submit(std::size_t s, Ns t, const SubRequest& sub) {
    return servers_[s].submit(t, {sub.copy, false, t, sub.deadline, sub.entity, sub.draw});
  }
  bool cancel(std::size_t s, Ns t, std::uint64_t handle) { return servers_[s].cancel(t, handle); }

  // Does what next() announced; calls done(copy, start, now) and started(copy, now).
  template <class Done, class Started>
  void act(std::size_t s, const NextAct& a, Ns /*bound*/, Done&& done, Started&& started) {
    if (a.phase == 0) {
      servers_[s].complete([&](std::uint32_t copy, Ns start) { done(copy, start, a.time); });
    } else {
      servers_[s].start(a.time, laws_[law_of_[s]],
                        [&](std::uint32_t copy) { started(copy, a.time); });
    }
  }
  template <class Lost>
  void fail(std::size_t s, Ns t, Lost&& lost) {
    servers_[s].fail(t, lost);
  }
  void recover(std::size_t /*s*/, Ns /*t*/) {}
  void set_slowdown(std::size_t s, double factor) { servers_[s].set_slowdown(factor); }

  // The row of a request that this copy's answer decided at time t.
  void record(const Copy& copy, std::uint32_t r, Ns t, RequestColumns& c) const {
    c.scheduled_ns[r] = copy.start;
    c.first_token_ns[r] = t;
    c.queue_ns[r] = copy.start - copy.reached;
    if (!c.compute_ns.empty()) c.compute_ns[r] = copy.completed - copy.start;
  }

  // Sums over the run; checks Little's law at every server.
  void finish(RunTotals& totals, FleetTotals& fleet) const {
    for (const OneShotServer& server : servers_) {
      const OneShotTotals& t = server.totals;
      if (t.waiting_integral + t.running_integral != t.sojourn) {
        fail_law();
      }
      totals.busy_ns += t.busy_ns;
      totals.waiting_integral += t.waiting_integral;
      totals.running_integral += t.running_integral;
      totals.max_waiting = std::max(totals.max_waiting, t.max_waiting);
      totals.max_running = std::max(totals.max_running, t.max_running);
      fleet.batches += t.batches;
      fleet.served += t.served;
      fleet.wakeups += t.wakeups;
      fleet.workers += server.workers();
    }
    totals.terms.compute_ns = totals.busy_ns;
  }

 private:
  [[noreturn]] static void fail_law() {
    kvsim::fail(
        ErrorKind::invariant,
        "Little's law: the integral of sub-requests at a server differs from the sum of the "
        "times that they were there");
  }

  std::vector<OneShotServer> servers_;
  std::vector<std::uint32_t> law_of_;
  std::vector<LawSampler> laws_;
};

}  // namespace kvsim
