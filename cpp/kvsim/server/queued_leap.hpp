// Rounds of the lazy path of batches in flight. A round schedules a batch, which takes the last
// place in the queue, and then processes the output of the oldest one. So a request leaves its
// group when its last token is launched, and finishes when that lands. Includers of QueuedReplica
// include this header.
#pragma once

#include "kvsim/server/queued_lazy.hpp"
#include "kvsim/server/queued_replica.hpp"

namespace kvsim {

template <class Pool>
bool QueuedReplica<Pool>::lazy_round() {
  if (alone_ && alone()) return true;
  add_arrivals();
  if (none_enters() && leap()) return true;
  enter_from_flight();
  if (!schedule_lazily()) {
    go_explicit();
    return false;
  }
  launch();
  return true;
}

// A call that schedules chunks or admissions beside decodes; false, and nothing is done, if the
// definition has to.
template <class Pool>
bool QueuedReplica<Pool>::schedule_lazily() {
  state_.set_threshold();
  if (!(chunkers_.empty() ? may_decode(groups_[turn_].lazy) : lazy_allowed())) return false;
  flush_ = false;
  state_.plan.clear();
  state_.preempted.clear();
  state_.admitted_prefill = false;
  const std::int64_t left = run_lazy_and_chunks();
  state_.carried = !state_.plan.empty();
  state_.admit_queued(left, left, false);
  // What this call's chunks and admissions took of the budget comes back with the next one, and
  // another group leaves another budget: only with the whole prompt reserved does the memory that
  // an admission needs not depend on it.
  const Admission end = state_.admission_end;
  const bool alone = state_.cfg.stages == 1;
  blocked_ =
      end == Admission::slots || (end == Admission::memory && (alone || state_.cfg.reserve_full) &&
                                  state_.memory_stays_short());
  lacks_budget_ = !blocked_ && alone && end != Admission::empty && state_.plan.empty();
  blocked_ = blocked_ || lacks_budget_;
  return true;
}

template <class Pool>
std::int64_t QueuedReplica<Pool>::chunk_tokens(const Seq& q, std::int64_t budget) const {
  std::int64_t n = q.known - q.computed;
  if (0 < state_.threshold && state_.threshold < n) n = state_.threshold;
  return std::min({n, budget, state_.cfg.max_model_len - q.computed - 1});
}

// The next step's decodes have budget and blocks.
template <class Pool>
bool QueuedReplica<Pool>::may_decode(const LazyDecodes<Pool>& lazy) const {
  return lazy.needs()[lazy.step_mod()] <= state_.pool.free() && lazy.count() <= state_.cfg.budget &&
         lazy.step() < (std::int64_t{1} << 30) && state_.num_running > 0;
}

// No preemption, and no chunk that competes for the budget with a decode behind it.
template <class Pool>
bool QueuedReplica<Pool>::lazy_allowed() const {
  const LazyDecodes<Pool>& lazy = groups_[turn_].lazy;
  if (!may_decode(lazy)) return false;
  std::int64_t wish = lazy.count();
  auto blocks = static_cast<std::int64_t>(lazy.takers().size());
  std::int64_t budget = state_.cfg.budget - lazy.count();
  for (const OrderedId x : chunkers_) {
    const Seq& q = state_.seqs[id_of(x)];
    if (waits(id_of(x))) return false;
    wish += chunk_tokens(q, state_.cfg.max_model_len);
    const std::int64_t n = chunk_tokens(q, budget);
    budget -= n;
    blocks += state_.blocks_needed(q, q.computed + n);
  }
  if (blocks > state_.pool.free()) return false;
  std::size_t behind = 0;
  for (std::size_t i = state_.running.size(); i > 0; --i) {
    const RequestId r = state_.running[i - 1];
    const Seq& q = state_.seqs[r];
    if (!q.live) continue;
    if (q.lazy && state_.flights[r].group == turn_) break;
    if (q.chunking) ++behind;
  }
  return behind == chunkers_.size() || (wish <= state_.cfg.budget && !lazy.publishes_next());
}

// The running loop; returns the budget that is left.
template <class Pool>
std::int64_t QueuedReplica<Pool>::run_lazy_and_chunks() {
  LazyDecodes<Pool>& lazy = groups_[turn_].lazy;
  std::int64_t left = state_.cfg.budget - lazy.count();
  if (chunkers_.empty()) {
    allocate(lazy);
    return left;
  }
  bool published = !lazy.publishes_next();
  merged_ = lazy.takers();
  merged_.insert(merged_.end(), chunkers_.begin(), chunkers_.end());
  std::inplace_merge(merged_.begin(), merged_.end() - static_cast<std::ptrdiff_t>(chunkers_.size()),
                     merged_.end());
  for (const OrderedId x : merged_) {
    const RequestId r = id_of(x);
    Seq& q = state_.seqs[r];
    if (q.lazy) {
      lazy.take_block(q);
      continue;
    }
    if (!published) lazy.publish_blocks();
    published = true;
    const std::int64_t n = chunk_tokens(q, left);
    if (n <= 0) continue;
    const std::int32_t before = q.blocks;
    state_.append_blocks(q, state_.blocks_needed(q, q.computed + n));
    state_.publish(r, q, q.computed + n);
    state_.plan.push_back({r, q.computed, static_cast<std::int32_t>(n), 0, before, 2, false});
    left -= n;
  }
  if (!published) lazy.publish_blocks();
  return left;
}

// Of the decodes and the plan, whose requests move on.
template <class Pool>
StepShape QueuedReplica<Pool>::shape_lazily() {
  const LazyDecodes<Pool>& lazy = groups_[turn_].lazy;
  StepShape sums;  // not what is returned: it has an address, and would be in memory
  sums.decode_seqs = sums.decode_tokens = sums.sampled = lazy.count();
  sums.decode_context = lazy.context();
  for (Entry& e : state_.plan) {
    Seq& q = state_.seqs[e.id];
    q.computed += e.tokens;
    q.chunking = q.computed < q.known;
    e.samples = !q.chunking;
    Definition<Pool>::add_to(sums, e, q);
  }
  return StepShape(sums);
}

// The scheduled batch's execution, and then the output of the oldest one.
template <class Pool>
void QueuedReplica<Pool>::launch() {
  const StepShape shape = shape_lazily();
  Group& group = groups_[turn_];
  Batch& batch = queue_.push();
  batch.group = turn_;
  batch.decodes = group.lazy.count();
  batch.terms = terms_of(shape);
  batch.samples = shape.sampled > 0;
  execute(batch, now());
  if (recorder_.steps_on()) record_lazy(batch, shape, now());
  count(batch, shape);
  group.lazy.advance();
  if (group.lazy.step() == group.last_token_at) collect_leaving(batch, group);
  launch_plan(batch);
  definition_.count_calls(1);
  land();
  end_round(shape.tokens() > 0);
}

// The plan belongs to the batch from now on.
template <class Pool>
void QueuedReplica<Pool>::launch_plan(Batch& batch) {
  for (const Entry& e : state_.plan) {
    const Seq& q = state_.seqs[e.id];
    if (e.kind != 2) {
      ledger_.batch_began(e.id, batch.start, e.kind == 1);
      if (q.chunking) insert_ordered(chunkers_, ordered(q, e.id));
    } else if (!q.chunking) {
      erase_ordered(chunkers_, ordered(q, e.id));
    }
  }
  batch.chunks.swap(state_.plan);
}

// The lazy requests' part of a batch whose output is processed at t.
template <class Pool>
template <class Histogram>
inline void QueuedReplica<Pool>::land_decodes(const Batch& batch, Ns t, Histogram& gaps) {
  Group& group = groups_[batch.group];
  if (batch.decodes > 0) gaps.add(t - group.landed, static_cast<std::uint64_t>(batch.decodes));
  group.sums += batch.terms;
  group.bubble += batch.end - group.end - batch.terms.total();
  group.end = batch.end;
  group.landed = t;
}

// Output of the oldest batch.
template <class Pool>
void QueuedReplica<Pool>::land() {
  Batch& batch = queue_.front();
  advance_to(batch.end);
  if (batch.decodes > 0) livelock_.progress();
  land_decodes(batch, now(), ledger_.itl());
  if (!batch.plain()) land_others(batch);
  if (recorder_.steps_on()) recorder_.processed(batch.row, now(), state_.pool.free());
  queue_.pop();
}

// What of it is handled one by one, and who got the last token.
template <class Pool>
void QueuedReplica<Pool>::land_others(Batch& batch) {
  const Group& group = groups_[batch.group];
  if (!batch.chunks.empty()) {
    for (const Entry& e : batch.chunks) {
      if (alone_ && land_first(batch, e, group)) continue;
      land_chunk(batch, e, group);
    }
    batch.chunks.clear();
    if (batch.leaving.size() > 1) std::sort(batch.leaving.begin(), batch.leaving.end());
  }
  if (batch.leaving.empty()) return;
  for (const OrderedId x : batch.leaving) {
    const RequestId r = id_of(x);
    Seq& q = state_.seqs[r];
    ledger_.close_batches(r, group.sums, group.bubble, group.end);
    q.known = q.limit;
    if (state_.cfg.async) state_.publish(r, q, q.computed);
    q.done = true;
    state_.finish(r);
    feed_.finished(r, now());
    --unfinished_;
  }
  batch.leaving.clear();
  flush_ = true;
  blocked_ = false;
  if (static_cast<std::int64_t>(state_.running.size()) > 2 * state_.num_running + 64) {
    std::erase_if(state_.running, [this](RequestId r) { return !state_.seqs[r].live; });
  }
}

// On one stage a chunk with a request's first token, unless it was preempted on the way to it.
template <class Pool>
inline bool QueuedReplica<Pool>::land_first(Batch& batch, const Entry& e, const Group& group) {
  const Seq& q = state_.seqs[e.id];
  if (!e.samples || !first_of(e, q) || ledger_.redoing(e.id)) return false;
  ledger_.first_token_in_batch(e.id, batch.start, batch.end, batch.terms, group.sums, group.bubble);
  if (last_of(e, q)) batch.leaving.push_back(ordered(q, e.id));
  livelock_.progress();
  return true;
}

template <class Pool>
void QueuedReplica<Pool>::land_chunk(Batch& batch, const Entry& e, const Group& group) {
  const RequestId r = e.id;
  Seq& q = state_.seqs[r];
  ledger_.batch_ended(r, batch.start, batch.end, batch.terms, e.samples);
  if (!e.samples) return;
  livelock_.progress();
  ledger_.sampled_in_batch(r, first_of(e, q));
  ledger_.open_batches(r, group.sums, group.bubble);
  if (last_of(e, q)) {
    batch.leaving.push_back(ordered(q, r));
  } else if (!state_.cfg.async) {
    ++q.known;
    enter(r, batch.group);
  }
}

template <class Pool>
void QueuedReplica<Pool>::end_round(bool ran) {
  turn_ = turn_ + 1 == groups_.size() ? 0 : turn_ + 1;
  if (!ran && work()) advance_to(now() + state_.cfg.empty_sleep_ns);
}

template <class Pool>
bool QueuedReplica<Pool>::leap() {
  return std::visit([this](const auto& model) { return this->leap_with(model); }, model_);
}

// Rounds that schedule decodes of a group and nothing else; false if there was none. It ends with
// an arrival, when the head of the queue might be admitted, or when blocks run out.
template <class Pool>
template <class Model>
bool QueuedReplica<Pool>::leap_with(const Model& model) {
  constexpr std::int64_t most = 1 << 16;  // between two polls
  state_.plan.clear();
  state_.preempted.clear();
  Leap leap(now(), ledger_.itl());
  while (leap.t < feed_.next_time() && state_.num_running > 0 && leap.rounds < most &&
         (state_.waiting.empty() || blocked_)) {
    if (!leap_round(model, leap)) break;
  }
  if (leap.rounds == 0) return false;
  book(leap);
  return true;
}

// A round of any kind.
template <class Pool>
template <class Model>
bool QueuedReplica<Pool>::leap_round(const Model& model, Leap& leap) {
  using Decode = typename Model::Decode;
  Batch& lands = queue_.front();
  if (!lands.chunks.empty()) enter_from_flight();
  Group& group = groups_[turn_];
  const std::int64_t n = group.lazy.count();
  if (n > 0) {
    if (!may_leap(group.lazy)) return false;
    if (group.changed) look_ahead(group, model);
  }
  flush_ = false;
  Batch& launched = queue_.push();
  launch_decodes(launched, group, std::get_if<Decode>(&group.decode), leap.t);
  if (n > 0) {
    leap.terms += launched.terms;
    leap.busy_ns += launched.stage_ns;
    leap.tokens += n;
    ++leap.steps;
    if (group.shortest) use_links(n, launched.terms.total());
    group.shortest = false;
  }
  ++leap.rounds;
  if (++turn_ == groups_.size()) turn_ = 0;
  pass(leap, std::max(leap.t, lands.end));
  land_decodes(lands, leap.t, leap.gaps);
  if (!lands.plain()) {
    ledger_.set_clock(leap.t);
    land_others(lands);
  }
  if (recorder_.steps_on()) recorder_.processed(lands.row, leap.t, state_.pool.free());
  queue_.pop();
  if (n == 0 && work()) pass(leap, leap.t + state_.cfg.empty_sleep_ns);
  return true;
}

template <class Pool>
bool QueuedReplica<Pool>::may_leap(const LazyDecodes<Pool>& lazy) const {
  return may_decode(lazy) && (!lazy.publishes_next() || state_.waiting.empty());
}

template <class Pool>
void QueuedReplica<Pool>::pass(Leap& leap, Ns until) {
  leap.most_used = std::max(leap.most_used, used_blocks());
  leap.used_integral += Int128{used_blocks()} * (until - leap.t);
  leap.running_integral += Int128{state_.num_running} * (until - leap.t);
  leap.t = until;
}

template <class Pool>
void QueuedReplica<Pool>::book_sums(const Sums& sums) {
  RunTotals& totals = ledger_.totals;
  totals.max_used_blocks = std::max(totals.max_used_blocks, sums.most_used);
  totals.running_integral += sums.running_integral;
  totals.used_block_integral += sums.used_integral;
  totals.scheduled_tokens += sums.tokens;
  definition_.count_calls(sums.rounds);
}

template <class Pool>
void QueuedReplica<Pool>::book(const Leap& leap) {
  book_sums(leap);
  RunTotals& totals = ledger_.totals;
  const auto waiting = static_cast<std::int64_t>(state_.waiting.size());
  totals.max_waiting = std::max(totals.max_waiting, waiting);
  totals.waiting_integral += Int128{waiting} * (leap.t - leap.began);
  totals.terms += leap.terms;
  totals.steps += leap.steps;
  totals.lazy_steps += leap.steps;
  totals.busy_ns += leap.busy_ns;
  totals.entries += leap.tokens;
  if (leap.steps > 0) livelock_.progress();
  ledger_.set_clock(leap.t);
}

// What is constant until somebody enters or leaves the group.
template <class Pool>
template <class Model>
void QueuedReplica<Pool>::look_ahead(Group& group, const Model& model) {
  group.decode = model.decode(group.lazy.count());
  group.changed = false;
  group.shortest = true;  // it has the least context
}

// The group's next batch, empty if nobody is in it.
template <class Pool>
template <class Decode>
void QueuedReplica<Pool>::launch_decodes(Batch& batch, Group& group, const Decode* decode, Ns t) {
  LazyDecodes<Pool>& lazy = group.lazy;
  const std::int64_t n = lazy.count();
  batch.group = turn_;
  batch.decodes = n;
  batch.samples = n > 0;
  if (n > 0) {
    batch.terms = (*decode)(lazy.context());
    allocate(lazy);
  } else {
    batch.terms = Terms{};
  }
  execute(batch, t);
  if (recorder_.steps_on()) {
    StepShape shape;
    shape.decode_seqs = shape.decode_tokens = n;
    shape.decode_context = lazy.context();
    record_lazy(batch, shape, t);
  }
  if (n == 0) return;
  lazy.advance();
  if (lazy.step() == group.last_token_at) collect_leaving(batch, group);
}

// What the next step of its decodes needs; the pool has it.
template <class Pool>
void QueuedReplica<Pool>::allocate(LazyDecodes<Pool>& lazy) {
  if constexpr (Pool::has_ids) {
    lazy.take_blocks();
  } else {
    state_.pool.take(lazy.needs()[lazy.step_mod()]);  // its memory is not metered
  }
  if (lazy.publishes_next()) lazy.publish_blocks();
}

// Who gets the last token in the batch just launched, if the wheel did not only look again at who
// stood at its far end.
template <class Pool>
void QueuedReplica<Pool>::collect_leaving(Batch& batch, Group& group) {
  group.lazy.collect_finished(batch.leaving);
  if (batch.leaving.size() > 1) std::sort(batch.leaving.begin(), batch.leaving.end());
  group.last_token_at = group.lazy.count() > 0 ? group.lazy.next_finish() : Group::never;
  group.changed = true;
  if (lacks_budget_ && !batch.leaving.empty()) blocked_ = false;
}

// Rows of a launched batch: lazy requests and the plan, in running order.
template <class Pool>
void QueuedReplica<Pool>::record_lazy(Batch& batch, const StepShape& shape, Ns t) {
  batch.row = recorder_.next_row();
  batch.first_entry = recorder_.next_entry();
  if constexpr (Pool::has_ids) {
    if (recorder_.entries_on()) {
      LazyDecodes<Pool>& lazy = groups_[batch.group].lazy;
      auto planned = state_.plan.begin();
      for (const RequestId r : state_.running) {
        const Seq& q = state_.seqs[r];
        if (!q.live) continue;
        const std::size_t at = recorder_.next_entry();
        if (q.lazy && state_.flights[r].group == batch.group) {
          const std::int32_t c = lazy.computed(q);
          const bool took = c % state_.cfg.block_size == 0;
          recorder_.entry({r, c, 1, 0, 0, 2, false}, state_.table(q) + c / state_.cfg.block_size,
                          took ? 1 : 0, 1);
        } else if (planned != state_.plan.end() && planned->id == r) {
          recorder_.entry(*planned, state_.table(q) + planned->blocks_before,
                          q.blocks - planned->blocks_before, planned->samples ? 1 : 0);
          ++planned;
        } else {
          continue;
        }
        // Without hidden stops and stale output, what samples is kept.
        const bool samples = q.lazy || !q.chunking;
        recorder_.fate(at, samples ? 'k' : '-', samples);
      }
    }
  }
  record_row(batch, shape, t);
}

}  // namespace kvsim
