// Into the lazy path of batches in flight and out of it again. P stages make P groups of requests,
// one for every P-th call: who was scheduled by call k decodes again in call k + P at the earliest
// (with asynchronous scheduling by rule, else because its token is not known before), and in a
// steady state does so then. Each group is held lazily by itself.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kvsim/server/queued_replica.hpp"

namespace kvsim {

template <class Pool>
void QueuedReplica<Pool>::make_groups(std::int64_t longest) {
  // Who finishes beyond the wheel's span is looked at again there: many groups get small wheels.
  const std::int64_t span =
      state_.cfg.stages == 1 ? longest : std::min<std::int64_t>(longest, 8191);
  for (std::int64_t g = 0; g < state_.cfg.stages; ++g) {
    groups_.emplace_back(state_, span, state_.cfg.async ? 1 : 0);
  }
}

// All but one place of the queue are taken, whatever is in flight belongs to running requests, and
// who decodes is in flight or, synchronously, in the batch whose output came last.
template <class Pool>
bool QueuedReplica<Pool>::can_go_lazy() const {
  if (queue_.size() != state_.cfg.batch_queue() - 1 || state_.num_running == 0) return false;
  for (std::size_t i = 0; i < static_cast<std::size_t>(queue_.size()); ++i) {
    for (const Entry& e : queue_[i].entries) {
      if (!state_.seqs[e.id].live) return false;
    }
  }
  RequestId landed = 0;
  bool any_landed = false;
  for (const RequestId r : state_.running) {
    const Seq& q = state_.seqs[r];
    const Flight& f = state_.flights[r];
    if (q.chunking) {
      if (waits(r)) return false;
    } else if (state_.cfg.async) {
      if (f.unseen != 1) return false;
    } else if (q.computed < q.known) {
      if (any_landed && (ledger_.last_token_ns(r) != ledger_.last_token_ns(landed) ||
                         ledger_.booked_until(r) != ledger_.booked_until(landed))) {
        return false;
      }
      landed = r;
      any_landed = true;
    }
  }
  return true;
}

template <class Pool>
bool QueuedReplica<Pool>::go_lazy() {
  if (!can_go_lazy()) return false;
  for (Group& g : groups_) {
    g.sums = Terms{};
    g.bubble = 0;
    g.last_token_at = Group::never;
  }
  turn_ = 0;
  chunkers_.clear();
  const bool async = state_.cfg.async;
  for (std::size_t i = 0; i < static_cast<std::size_t>(queue_.size()); ++i) {
    queue_[i].group = async ? i : i + 1;
    take_over(queue_[i]);
  }
  for (const RequestId r : state_.running) {
    const Seq& q = state_.seqs[r];
    Flight& f = state_.flights[r];
    if (q.chunking) chunkers_.push_back(ordered(q, r));
    if (!async && !q.chunking && !q.lazy && q.computed < q.known) {
      groups_[0].landed = ledger_.last_token_ns(r);
      groups_[0].end = ledger_.booked_until(r);
      enter(r, 0);
    }
    f.in_flight = f.unseen = 0;
  }
  lazy_now_ = true;
  blocked_ = false;
  return true;
}

// Decodes of the batch whose last token came with all others' become lazy, or leave with this one
// if it is their last; the rest is handled one by one.
template <class Pool>
void QueuedReplica<Pool>::take_over(Batch& batch) {
  Group& group = groups_[batch.group];
  batch.decodes = 0;
  bool any = false;
  std::size_t at = batch.first_entry;
  for (const Entry& e : batch.entries) {
    if (recorder_.entries_on()) recorder_.fate(at++, e.samples ? 'k' : '-', e.samples);
    const Seq& q = state_.seqs[e.id];
    bool regular = e.samples && !first_of(e, q) && e.tokens == 1 && !ledger_.redoing(e.id);
    if (regular && !any) {
      group.landed = ledger_.last_token_ns(e.id);
      group.end = ledger_.booked_until(e.id);
      any = true;
    }
    regular = regular && ledger_.last_token_ns(e.id) == group.landed &&
              ledger_.booked_until(e.id) == group.end;
    if (!regular) {
      batch.chunks.push_back(e);
      continue;
    }
    ++batch.decodes;
    if (last_of(e, q)) {
      batch.leaving.push_back(ordered(q, e.id));
    } else {
      enter(e.id, batch.group);
    }
  }
  batch.entries.clear();
}

template <class Pool>
inline void QueuedReplica<Pool>::enter(RequestId r, std::size_t group) {
  Group& g = groups_[group];
  g.last_token_at = std::min(g.last_token_at, g.lazy.finish_of(state_.seqs[r]));
  g.lazy.enter(r);
  g.changed = true;
  if (group > 0 || !alone_) state_.flights[r].group = static_cast<std::uint16_t>(group);
}

// With asynchronous scheduling those whose last prompt chunk is in the batch that lands in this
// round decode from this round's call on.
template <class Pool>
void QueuedReplica<Pool>::enter_from_flight() {
  const std::vector<Entry>& chunks = queue_.front().chunks;
  if (chunks.empty() || !state_.cfg.async) return;
  for (const Entry& e : chunks) {
    const Seq& q = state_.seqs[e.id];
    if (e.samples && !q.lazy && !last_of(e, q)) enter(e.id, turn_);
  }
}

// Writes everything out as the definition wants it; enter_from_flight() has been called.
template <class Pool>
void QueuedReplica<Pool>::go_explicit() {
  std::erase_if(state_.running, [this](RequestId r) { return !state_.seqs[r].live; });
  for (const RequestId r : state_.running) {
    Flight& f = state_.flights[r];
    f.in_flight = f.unseen = f.stale = 0;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(queue_.size()); ++i) hand_over(i);
  for (const RequestId r : state_.running) {
    if (!state_.seqs[r].lazy) continue;
    Group& group = groups_[state_.flights[r].group];
    group.lazy.leave_wheel(r);
    group.lazy.leave(r);
    Seq& q = state_.seqs[r];
    q.known = q.computed + (state_.flights[r].in_flight > 0 ? 0 : 1);
    write_out(r, group);
  }
  for (Group& g : groups_) {
    g.lazy.reset_step();
    g.changed = true;
  }
  lazy_now_ = false;
}

// The entries of the i-th batch in flight, in running order.
template <class Pool>
void QueuedReplica<Pool>::hand_over(std::size_t i) {
  Batch& batch = queue_[i];
  Group& group = groups_[batch.group];
  auto chunk = batch.chunks.begin();
  auto leaving = batch.leaving.begin();
  const auto fly = [&](RequestId r, const Entry& e) {
    batch.entries.push_back(e);
    Flight& f = state_.flights[r];
    f.in_flight += e.tokens;
    if (!state_.cfg.async || !e.samples) return;
    f.unseen = 1;
    f.not_before = definition_.calls() + 1 + static_cast<std::int64_t>(i);
  };
  for (const RequestId r : state_.running) {
    Seq& q = state_.seqs[r];
    if (chunk != batch.chunks.end() && chunk->id == r) {
      if (q.lazy) {  // from flight
        group.lazy.leave_wheel(r);
        group.lazy.leave(r);
      }
      fly(r, *chunk++);
      continue;
    }
    const bool leaves = leaving != batch.leaving.end() && id_of(*leaving) == r;
    if (!leaves && !(q.lazy && state_.flights[r].group == batch.group)) continue;
    const std::int32_t computed = leaves ? q.computed : group.lazy.computed(q);
    fly(r, {r, computed - 1, 1, 0, q.blocks, 2, false, true});
    if (!leaves) continue;
    ++leaving;
    q.known = q.limit - 1;
    write_out(r, group);
  }
  batch.chunks.clear();
  batch.leaving.clear();
}

template <class Pool>
void QueuedReplica<Pool>::write_out(RequestId r, const Group& group) {
  ledger_.close_batches(r, group.sums, group.bubble, group.end);
  ledger_.set_last_token(r, group.landed);
}

}  // namespace kvsim
