// The fleet loop: requests arrive at a gateway, become sub-requests, are routed to servers over
// links, perhaps hedged, and are done with the answer that completes them. Order is (time, kind,
// order of creation); what servers do next lies between, see NextAct. fleet_flow.hpp has the way of
// a sub-request, fleet_faults.hpp cancellation and failure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "kvsim/core/control.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/core/running_quantile.hpp"
#include "kvsim/fleet/copies.hpp"
#include "kvsim/fleet/events.hpp"
#include "kvsim/fleet/link.hpp"
#include "kvsim/fleet/one_shot_servers.hpp"
#include "kvsim/result.hpp"
#include "kvsim/scenario/scenario.hpp"
#include "kvsim/workload/arrival_feed.hpp"

namespace kvsim {

// The rules of hedging, of all its kinds.
struct Hedging {
  bool on = false;
  bool running = false;  // delay by a running quantile
  Ns delay = 0;
  std::uint64_t min_samples = 0;
  Cancel cancel = Cancel::none;
  Ns cancel_delay = 0;
  double max_extra = 1;

  static Hedging from(const HedgeSpec& spec);
};

// Room for every request in all columns that a fleet fills.
void open_columns(const RequestTable& table, bool waterfall, bool first_tokens,
                  RequestColumns& columns);

template <class Servers>
class Fleet {
 public:
  Fleet(const Scenario& scenario, const RequestTable& table, Servers& servers, Control control);
  void run();

  RequestColumns columns;
  FleetTotals totals;
  FleetEventColumns events;
  Ns first_arrival = kNever;
  Ns last_end = 0;

 private:
  using Shut = std::vector<std::pair<std::size_t, std::int32_t>>;

  void outside();
  void server_acts();

  // fleet_flow.hpp
  void arrive(Ns t);
  void release(Ns t);
  void dispatch(std::uint32_t r, Ns t);
  void send(std::uint32_t id, Ns t, std::int32_t chosen);
  void deliver(std::uint32_t id, Ns t);
  void served(std::uint32_t id, Ns start, Ns t);
  void answered(std::uint32_t id, Ns t);
  void complete(std::uint32_t id, Ns t);
  void end(std::uint32_t r, Ns t, Outcome outcome);
  void hedge(std::uint32_t slot, Ns t);
  [[nodiscard]] std::int32_t route(std::uint32_t id);
  void shut_others(std::uint32_t id);
  void reopen();

  // fleet_faults.hpp
  void call_back(std::uint32_t id, Ns t);
  void cancel(std::uint32_t id, Ns t);
  void fail_part(std::uint32_t id, Ns t, Outcome why);
  void schedule_outages();
  void schedule_outage(std::size_t s, Ns t);
  void fail_server(std::uint32_t s, Ns t);
  void recover_server(std::uint32_t s, Ns t);
  void lose(std::uint32_t id, Ns t);

  void add_load(std::size_t s, std::uint32_t r, std::int32_t sign) {
    count_[s] += sign;
    if (load_[s] != routing::closed) load_[s] = count_[s];
    kv_[s] += sign * std::int64_t{table_.prompt_tokens[r]};
    kv_load_[s] = load_[s] == routing::closed ? closed_kv : kv_[s];
  }
  void set_open(std::size_t s, bool open) {
    load_[s] = open ? count_[s] : routing::closed;
    kv_load_[s] = open ? kv_[s] : closed_kv;
  }
  void update(std::size_t s) { next_.update(s, servers_.next(s)); }
  void close_if_done(std::uint32_t s) {
    if (copies_.slot(s).live == 0) copies_.close(s);
  }
  void note(Ns t, FleetEvent kind, std::size_t s, std::int64_t request) {
    if (!record_events_) return;
    events.t_ns.push_back(t);
    events.kind.push_back(static_cast<std::uint8_t>(kind));
    events.server.push_back(static_cast<std::int32_t>(s));
    events.outstanding.push_back(count_[s]);
    events.request.push_back(static_cast<std::int32_t>(request));
  }
  [[nodiscard]] std::uint64_t entity(std::uint32_t id) {
    const std::uint32_t s = copies_.slot_of(id);
    return std::uint64_t{copies_.slot(s).request} * copies_.parts() + copies_.part_of(id);
  }
  // Copies and attempts of one sub-request draw apart.
  [[nodiscard]] std::uint64_t draw(std::uint32_t id) {
    return 2 * std::uint64_t{copies_.copy(id).attempt} + id % 2;
  }
  [[nodiscard]] Ns deadline(std::uint32_t r) const;
  void poll() {
    if ((++polls_ & 1023) == 0 && control_.stop != nullptr && *control_.stop) {
      kvsim::fail(ErrorKind::cancelled, "the run was stopped");
    }
  }

  static constexpr std::int64_t closed_kv = std::numeric_limits<std::int64_t>::max();

  const FleetSpec& spec_;
  const RequestTable& table_;
  Servers& servers_;
  Control control_;
  ArrivalFeed feed_;
  Router router_;
  Stream routing_;
  Stream failures_;
  Hedging hedging_;
  RunningQuantile latency_;
  std::optional<Link> uplink_;
  std::optional<Link> downlink_;
  std::vector<Ns> deadlines_;
  std::int32_t quorum_;
  Copies copies_;
  EventHeap heap_;
  NextServer next_;
  bool independent_;  // nothing that a server does touches another: run them one after the other
  bool dependent_feed_;
  bool record_events_;

  std::vector<std::int32_t> count_;  // sub-requests waiting and running, by server
  std::vector<std::int32_t> load_;   // the same, or closed
  std::vector<std::int64_t> kv_;     // prompt tokens of these
  std::vector<std::int64_t> kv_load_;
  std::vector<double> weight_;
  std::vector<Ns> last_packet_;
  std::vector<std::uint64_t> outages_;  // random ones drawn so far, by server
  std::vector<std::int32_t> down_;      // outages that hold, by server
  std::vector<std::size_t> shut_;       // closed while one sub-request is routed
  std::vector<std::uint32_t> held_;     // copies for which no server is up
  std::vector<std::uint32_t> gateway_;  // requests that wait for their release
  std::uint32_t releases_ = 0;
  std::int64_t unfinished_ = 0;
  std::int64_t inside_ = 0;  // requests admitted and not ended
  std::int64_t live_ = 0;    // copies under way
  std::int64_t polls_ = 0;
};

template <class Servers>
Fleet<Servers>::Fleet(const Scenario& s, const RequestTable& table, Servers& servers,
                      Control control)
    : spec_(*s.fleet),
      table_(table),
      servers_(servers),
      control_(control),
      feed_(table),
      router_(routing::make_router(spec_.router, table)),
      routing_(s.seed, Purpose::routing),
      failures_(s.seed, Purpose::failure),
      hedging_(Hedging::from(spec_.hedge)),
      latency_(std::holds_alternative<HedgeQuantile>(spec_.hedge)
                   ? std::get<HedgeQuantile>(spec_.hedge).quantile
                   : 0.5),
      quorum_(static_cast<std::int32_t>(spec_.fan_out.quorum.value_or(spec_.fan_out.parts))),
      copies_(spec_.fan_out.parts),
      next_(servers.size()),
      dependent_feed_(table.closed_loop_concurrency > 0 || !table.successor.empty()),
      record_events_(s.record == Record::steps || s.record == Record::all),
      count_(servers.size()),
      load_(servers.size()),
      kv_(servers.size()),
      kv_load_(servers.size()),
      weight_(servers.size(), 1.0),
      last_packet_(servers.size(), -1),
      outages_(servers.size()),
      down_(servers.size()) {
  if (spec_.uplink) uplink_.emplace(*spec_.uplink, s.seed, 0);
  if (spec_.downlink) downlink_.emplace(*spec_.downlink, s.seed, 1);
  for (const double ms : spec_.deadlines_ms)
    deadlines_.push_back(ns_from_ms(ms, "fleet.deadlines_ms"));
  std::size_t at = 0;
  for (const ReplicaGroup& g : spec_.groups) {
    for (std::int64_t i = 0; i < g.count; ++i) weight_[at++] = g.weight;
  }
  independent_ = Servers::tokens && !routing::reads_state(router_) && !dependent_feed_ &&
                 !record_events_ && !hedging_.on && spec_.outages.empty() &&
                 !spec_.random_outages && !spec_.max_outstanding && !spec_.max_server_outstanding &&
                 spec_.fan_out.parts == 1 && !(spec_.downlink && spec_.downlink->shared);
  open_columns(table, s.record_waterfall, Servers::tokens && s.record != Record::summary, columns);
  totals.servers = static_cast<std::int64_t>(servers.size());
  totals.has_deadlines = !deadlines_.empty();
}

template <class Servers>
void Fleet<Servers>::run() {
  unfinished_ = table_.size();
  first_arrival = feed_.first_sent();
  schedule_outages();
  while (unfinished_ > 0 || live_ > 0) {
    poll();
    const Ns t = std::min(feed_.next_time(), heap_.next_time());
    const bool events_first = independent_ && t != kNever;
    if (!events_first && next_.first_key() < NextServer::key({t, 1})) {
      server_acts();
    } else if (t != kNever) {
      outside();
    } else {
      kvsim::fail(ErrorKind::invariant, "the fleet stands still with requests inside");
    }
  }
}

template <class Servers>
void Fleet<Servers>::server_acts() {
  const std::size_t s = next_.first();
  const NextAct act = next_.first_act();
  Ns bound = kNever;
  if (!independent_) {
    bound = std::min(feed_.next_time(), heap_.next_time());
    // A completion may bring an arrival or call a copy back: no further than the next server.
    const Ns second = std::max(next_.second_time(), act.time);
    if ((dependent_feed_ || hedging_.on || downlink_) && second < bound) bound = second + 1;
  }
  servers_.act(
      s, act, bound, [this](std::uint32_t id, Ns start, Ns t) { served(id, start, t); },
      [this](std::uint32_t id, Ns t) {
        if (hedging_.cancel != Cancel::at_start || !hedging_.on) return;
        copies_.copy(id).start = t;
        call_back(id ^ 1U, t);
      });
  update(s);
}

template <class Servers>
void Fleet<Servers>::outside() {
  if (!heap_.empty()) {
    const Event& top = heap_.top();
    if (std::pair(top.time, top.kind) < std::pair(feed_.next_time(), EventKind::arrival)) {
      const Event e = heap_.pop();
      const auto current = [&](std::uint32_t slot) {
        return copies_.slot(slot).generation == e.generation;
      };
      switch (e.kind) {
        case EventKind::recovery:
          return recover_server(e.id, e.time);
        case EventKind::failure:
          return fail_server(e.id, e.time);
        case EventKind::cancellation:
          if (!current(copies_.slot_of(e.id))) return;
          cancel(e.id, e.time);
          return close_if_done(copies_.slot_of(e.id));
        case EventKind::answer:
          return answered(e.id, e.time);
        case EventKind::release:
          return e.id == releases_ ? release(e.time) : void();
        case EventKind::delivery:
          return deliver(e.id, e.time);
        case EventKind::hedge:
          return current(e.id) ? hedge(e.id, e.time) : void();
        case EventKind::arrival:
          return;
      }
    }
  }
  arrive(feed_.next_time());
}

template <class Servers>
Ns Fleet<Servers>::deadline(std::uint32_t r) const {
  if (deadlines_.empty()) return kNever;
  const auto level = table_.priority.empty() ? 0 : static_cast<std::size_t>(table_.priority[r]);
  return columns.arrival_ns[r] + deadlines_[std::min(level, deadlines_.size() - 1)];
}

}  // namespace kvsim
