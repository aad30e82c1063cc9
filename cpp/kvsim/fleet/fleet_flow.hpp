// The way of a sub-request through a fleet. Includers of Fleet include this header.
#pragma once

#include "kvsim/fleet/fleet.hpp"

namespace kvsim {

template <class Servers>
void Fleet<Servers>::arrive(Ns t) {
  const std::uint32_t r = feed_.pop();
  columns.arrival_ns[r] = t;
  if (spec_.max_outstanding && inside_ >= *spec_.max_outstanding) {
    ++inside_;
    return end(r, t, Outcome::rejected);
  }
  ++inside_;
  if (spec_.gateway.batch == 1) return dispatch(r, t);
  gateway_.push_back(r);
  if (static_cast<std::int64_t>(gateway_.size()) == spec_.gateway.batch) return release(t);
  if (gateway_.size() == 1) {
    heap_.push(t + ns_from_ms(spec_.gateway.window_ms), EventKind::release, releases_);
  }
}

template <class Servers>
void Fleet<Servers>::release(Ns t) {
  ++releases_;
  std::vector<std::uint32_t> together;
  together.swap(gateway_);
  for (const std::uint32_t r : together) dispatch(r, t);
  together.clear();
  together.swap(gateway_);  // keeps the memory
}

template <class Servers>
void Fleet<Servers>::dispatch(std::uint32_t r, Ns t) {
  if (!columns.gateway_ns.empty()) columns.gateway_ns[r] = t - columns.arrival_ns[r];
  const std::uint32_t s = copies_.open(r, t);
  const std::uint32_t parts = copies_.parts();
  // All count as live from the start: a part that fails at once must not close the slot.
  copies_.slot(s).live = static_cast<std::int32_t>(parts);
  live_ += parts;
  totals.sub_requests += parts;
  const std::uint32_t generation = copies_.slot(s).generation;
  Ns delay = kNever;
  if (hedging_.on && !hedging_.running) delay = hedging_.delay;
  if (hedging_.running && latency_.count() >= hedging_.min_samples) delay = latency_.value();
  for (std::uint32_t p = 0; p < parts; ++p) {
    const std::uint32_t id = copies_.id(s, p, 0);
    send(id, t, route(id));
  }
  if (delay != kNever && copies_.slot(s).generation == generation) {
    heap_.push(t + delay, EventKind::hedge, s, generation);
  }
}

// Servers that this copy must not go to: where the other copy is; with distinct placement, where
// other parts are.
template <class Servers>
void Fleet<Servers>::shut_others(std::uint32_t id) {
  const std::uint32_t s = copies_.slot_of(id);
  const auto shut = [this](const Copy& other) {
    if (!other.under_way() || other.server < 0) return;
    const auto at = static_cast<std::size_t>(other.server);
    if (load_[at] == routing::closed) return;
    set_open(at, false);
    shut_.push_back(at);
  };
  shut(copies_.copy(id ^ 1U));
  if (spec_.fan_out.placement != FanOutPlacement::distinct) return;
  for (std::uint32_t p = 0; p < copies_.parts(); ++p) {
    if (p == copies_.part_of(id)) continue;
    for (const Copy& other : copies_.part(s, p).copy) shut(other);
  }
}

template <class Servers>
void Fleet<Servers>::reopen() {
  for (const std::size_t s : shut_) set_open(s, true);
  shut_.clear();
}

// The server for a copy, -1 if none is open.
template <class Servers>
std::int32_t Fleet<Servers>::route(std::uint32_t id) {
  std::size_t first = 0;
  std::size_t size = load_.size();
  if (spec_.fan_out.placement == FanOutPlacement::sharded) {
    size /= copies_.parts();
    first = size * copies_.part_of(id);
  }
  const bool others = hedging_.on || spec_.fan_out.placement == FanOutPlacement::distinct;
  if (others) shut_others(id);
  const routing::Candidates candidates{
      std::span(load_).subspan(first, size), std::span(kv_load_).subspan(first, size),
      std::span(weight_).subspan(first, size), static_cast<std::int32_t>(first)};
  bool any = !others && spec_.outages.empty() && !spec_.random_outages;
  for (std::int32_t i = 0; !any && i < candidates.size(); ++i) any = candidates.open(i);
  std::int32_t chosen = -1;
  if (any) {
    const routing::Arrival arrival{copies_.slot(copies_.slot_of(id)).request, entity(id),
                                   128 * draw(id)};
    chosen = candidates.first +
             std::visit([&](auto& r) { return r.pick(candidates, arrival, routing_); }, router_);
  }
  if (others) reopen();
  return chosen;
}

// Sends a copy that counts as live already to a server, or holds it if there is none (-1).
template <class Servers>
void Fleet<Servers>::send(std::uint32_t id, Ns t, std::int32_t chosen) {
  const std::uint32_t r = copies_.slot(copies_.slot_of(id)).request;
  Copy& copy = copies_.copy(id);
  copy.sent = t;
  copy.server = chosen;
  if (chosen < 0) {
    copy.state = CopyState::held;
    held_.push_back(id);
    return;
  }
  const auto s = static_cast<std::size_t>(chosen);
  ++columns.copies[r];
  if (spec_.max_server_outstanding && count_[s] >= *spec_.max_server_outstanding) {
    copy.state = CopyState::dead;
    note(t, FleetEvent::rejected, s, r);
    return fail_part(id, t, Outcome::rejected);
  }
  add_load(s, r, 1);
  if (last_packet_[s] != t) {
    ++totals.packets;
    last_packet_[s] = t;
  }
  note(t, id % 2 == 0 ? FleetEvent::sent : FleetEvent::hedged, s, r);
  copy.state = CopyState::uplink;
  if (!uplink_) return deliver(id, t);
  heap_.push(t + uplink_->delay(t, entity(id), draw(id), table_.prompt_tokens[r]),
             EventKind::delivery, id);
}

template <class Servers>
void Fleet<Servers>::deliver(std::uint32_t id, Ns t) {
  Copy& copy = copies_.copy(id);
  const auto s = static_cast<std::size_t>(copy.server);
  const std::uint32_t r = copies_.slot(copies_.slot_of(id)).request;
  if (copy.cancelled) {
    add_load(s, r, -1);
    copy.state = CopyState::dead;
    ++totals.cancelled;
    --live_;
    --copies_.slot(copies_.slot_of(id)).live;
    return close_if_done(copies_.slot_of(id));
  }
  if (down_[s] > 0) return lose(id, t);
  copy.reached = t;
  copy.state = CopyState::at_server;
  copy.handle = servers_.submit(s, t, {id, r, entity(id), draw(id), deadline(r)});
  update(s);
}

template <class Servers>
void Fleet<Servers>::served(std::uint32_t id, Ns start, Ns t) {
  Copy& copy = copies_.copy(id);
  const std::uint32_t r = copies_.slot(copies_.slot_of(id)).request;
  copy.start = start;
  copy.completed = t;
  add_load(static_cast<std::size_t>(copy.server), r, -1);
  if constexpr (Servers::tokens) {
    ++totals.packets;
    copy.turned_away = servers_.turned_away(copy.handle);
  }
  note(t, copy.turned_away ? FleetEvent::rejected : FleetEvent::served,
       static_cast<std::size_t>(copy.server), r);
  if (!downlink_) return answered(id, t);
  copy.state = CopyState::downlink;
  const bool tokenless = !Servers::tokens || copy.turned_away;
  const std::int32_t tokens = tokenless ? 0 : table_.output_tokens[r];
  heap_.push(t + downlink_->delay(t, entity(id), draw(id), tokens), EventKind::answer, id);
}

template <class Servers>
void Fleet<Servers>::answered(std::uint32_t id, Ns t) {
  const std::uint32_t s = copies_.slot_of(id);
  Part& part = copies_.part_at(id);
  Copy& copy = copies_.copy(id);
  if (copy.turned_away) {
    copy.state = CopyState::dead;
    return fail_part(id, t, Outcome::rejected);
  }
  copy.state = CopyState::done;
  --live_;
  --copies_.slot(s).live;
  if (!part.done && !part.failed) {
    part.done = true;
    if (hedging_.running) latency_.add(t - part.copy[0].sent);
    if (hedging_.on && copies_.copy(id ^ 1U).under_way()) {
      if (id % 2 == 1) ++totals.hedge_wins;
      if (hedging_.cancel == Cancel::at_finish) call_back(id ^ 1U, t);
    } else if (id % 2 == 1) {
      ++totals.hedge_wins;
    }
    Slot& slot = copies_.slot(s);
    if (!slot.ended && ++slot.answered == quorum_) complete(id, t);
  }
  close_if_done(s);
}

// The answer that completes its request.
template <class Servers>
void Fleet<Servers>::complete(std::uint32_t id, Ns t) {
  Slot& slot = copies_.slot(copies_.slot_of(id));
  const Copy& copy = copies_.copy(id);
  const std::uint32_t r = slot.request;
  slot.ended = true;
  columns.server[r] = copy.server;
  servers_.record(copy, r, t, columns);
  if (!columns.dispatch_ns.empty()) {
    columns.dispatch_ns[r] = copy.sent - slot.dispatched;
    columns.network_ns[r] = copy.reached - copy.sent + (t - copy.completed);
  }
  end(r, t, Outcome::completed);
}

// A request's end; of one that was not completed all moments are this one.
template <class Servers>
void Fleet<Servers>::end(std::uint32_t r, Ns t, Outcome outcome) {
  columns.finish_ns[r] = t;
  columns.outcome[r] = static_cast<std::uint8_t>(outcome);
  if (outcome != Outcome::completed) {
    columns.scheduled_ns[r] = columns.first_token_ns[r] = t;
    if (!columns.gateway_ns.empty()) columns.gateway_ns[r] = t - columns.arrival_ns[r];
    ++(outcome == Outcome::rejected ? totals.rejected : totals.lost);
  } else if (t > deadline(r)) {
    ++totals.deadline_misses;
  }
  last_end = std::max(last_end, t);
  --unfinished_;
  --inside_;
  feed_.finished(r, t);
}

// The hedging delay of a slot is over: a second copy of every part that has no answer.
template <class Servers>
void Fleet<Servers>::hedge(std::uint32_t s, Ns t) {
  for (std::uint32_t p = 0; p < copies_.parts(); ++p) {
    Part& part = copies_.part(s, p);
    if (part.done || part.failed || part.copy[1].state != CopyState::none) continue;
    const double extra = static_cast<double>(totals.hedges + 1);
    if (extra > hedging_.max_extra * static_cast<double>(totals.sub_requests)) continue;
    const std::uint32_t id = copies_.id(s, p, 1);
    const std::int32_t chosen = route(id);
    if (chosen < 0) continue;
    ++totals.hedges;
    ++live_;
    ++copies_.slot(s).live;
    send(id, t, chosen);
  }
}

}  // namespace kvsim
