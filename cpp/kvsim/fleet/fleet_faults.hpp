// Copies that are called back, and servers that fail. Includers of Fleet include this header.
#pragma once

#include "kvsim/fleet/fleet.hpp"

namespace kvsim {

// The other copy of a sub-request is not needed any more.
template <class Servers>
void Fleet<Servers>::call_back(std::uint32_t id, Ns t) {
  if (!copies_.copy(id).under_way()) return;
  if (hedging_.cancel_delay == 0) return cancel(id, t);
  heap_.push(t + hedging_.cancel_delay, EventKind::cancellation, id,
             copies_.slot(copies_.slot_of(id)).generation);
}

template <class Servers>
void Fleet<Servers>::cancel(std::uint32_t id, Ns t) {
  Copy& copy = copies_.copy(id);
  const std::uint32_t s = copies_.slot_of(id);
  const std::uint32_t r = copies_.slot(s).request;
  if (copy.state == CopyState::uplink) {
    copy.cancelled = true;
    return;
  }
  if (copy.state == CopyState::held) {
    std::erase(held_, id);
  } else if (copy.state == CopyState::at_server) {
    const auto at = static_cast<std::size_t>(copy.server);
    if (!servers_.cancel(at, t, copy.handle)) return;
    add_load(at, r, -1);
    note(t, FleetEvent::cancelled, at, r);
    update(at);
  } else {
    return;
  }
  copy.state = CopyState::dead;
  ++totals.cancelled;
  --live_;
  --copies_.slot(s).live;
  // The caller closes the slot if this was the last copy.
}

// A copy that will never be answered, no other being under way: its part fails, and its request if
// too few are left.
template <class Servers>
void Fleet<Servers>::fail_part(std::uint32_t id, Ns t, Outcome why) {
  const std::uint32_t s = copies_.slot_of(id);
  Slot& slot = copies_.slot(s);
  Part& part = copies_.part_at(id);
  --live_;
  --slot.live;
  if (!part.done && !part.failed && !copies_.copy(id ^ 1U).under_way()) {
    part.failed = true;
    const auto left = static_cast<std::int32_t>(copies_.parts()) - ++slot.failed;
    if (left < quorum_ && !slot.ended) {
      slot.ended = true;
      end(slot.request, t, why);
    }
  }
  close_if_done(s);
}

template <class Servers>
void Fleet<Servers>::lose(std::uint32_t id, Ns t) {
  Copy& copy = copies_.copy(id);
  const std::uint32_t s = copies_.slot_of(id);
  const std::uint32_t r = copies_.slot(s).request;
  add_load(static_cast<std::size_t>(copy.server), r, -1);
  copy.state = CopyState::dead;
  const Part& part = copies_.part_at(id);
  const bool needed = !part.done && !part.failed && !copies_.copy(id ^ 1U).under_way();
  if (spec_.on_failure == OnFailure::lose || !needed) return fail_part(id, t, Outcome::lost);
  ++totals.retries;
  const std::uint32_t attempt = copy.attempt + 1;
  copy = Copy{};
  copy.attempt = attempt;
  send(id, t, route(id));
}

template <class Servers>
void Fleet<Servers>::schedule_outages() {
  for (const OutageSpec& o : spec_.outages) {
    const Ns start = ns_from_s(o.start_s);
    const auto which = static_cast<std::uint32_t>(&o - spec_.outages.data());
    heap_.push(start, EventKind::failure, which);
    heap_.push(start + ns_from_s(o.duration_s), EventKind::recovery, which);
  }
  if (!spec_.random_outages) return;
  for (std::size_t s = 0; s < count_.size(); ++s) schedule_outage(s, 0);
}

// The next random outage of a server that is well at t.
template <class Servers>
void Fleet<Servers>::schedule_outage(std::size_t s, Ns t) {
  const RandomOutagesSpec& o = *spec_.random_outages;
  const Ns up = ns_from_s(exponential(failures_, s, outages_[s]++, o.mean_up_s));
  const Ns down = ns_from_s(exponential(failures_, s, outages_[s]++, o.mean_down_s));
  const auto which = static_cast<std::uint32_t>(spec_.outages.size() + s);
  heap_.push(t + up, EventKind::failure, which);
  heap_.push(t + up + std::max<Ns>(1, down), EventKind::recovery, which);
}

template <class Servers>
void Fleet<Servers>::fail_server(std::uint32_t which, Ns t) {
  const bool given = which < spec_.outages.size();
  const std::size_t s =
      given ? static_cast<std::size_t>(spec_.outages[which].server) : which - spec_.outages.size();
  const auto& slowdown = given ? spec_.outages[which].slowdown : spec_.random_outages->slowdown;
  if (slowdown) {
    servers_.set_slowdown(s, *slowdown);
    return note(t, FleetEvent::failed, s, -1);
  }
  if (down_[s]++ > 0) return;
  set_open(s, false);
  std::vector<std::uint32_t> all;
  servers_.fail(s, t, [&all](std::uint32_t id) { all.push_back(id); });
  update(s);
  for (const std::uint32_t id : all) lose(id, t);
  note(t, FleetEvent::failed, s, -1);
}

template <class Servers>
void Fleet<Servers>::recover_server(std::uint32_t which, Ns t) {
  const bool given = which < spec_.outages.size();
  const std::size_t s =
      given ? static_cast<std::size_t>(spec_.outages[which].server) : which - spec_.outages.size();
  if (!given) schedule_outage(s, t);
  const auto& slowdown = given ? spec_.outages[which].slowdown : spec_.random_outages->slowdown;
  if (slowdown) {
    servers_.set_slowdown(s, 1);
    return note(t, FleetEvent::recovered, s, -1);
  }
  if (--down_[s] > 0) return;
  set_open(s, true);
  servers_.recover(s, t);
  note(t, FleetEvent::recovered, s, -1);
  std::vector<std::uint32_t> waiting;
  waiting.swap(held_);
  for (const std::uint32_t id : waiting) send(id, t, route(id));
}

}  // namespace kvsim
