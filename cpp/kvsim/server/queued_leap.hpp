// The lazy path of asynchronous scheduling (one stage). Between rounds one batch is in flight. A
// round schedules the next one, which starts when that one ends, and then processes that one's
// output; so a request leaves the lazy set when its last token is launched, and finishes a round
// later. Includers of QueuedReplica include this header.
#pragma once

#include "kvsim/server/queued_replica.hpp"

namespace kvsim {

template <class Pool>
bool QueuedReplica<Pool>::go_lazy() {
  if (queue_.size() != 1 || queue_.front().entries.empty() || queue_.front().end < now()) {
    return false;
  }
  for (const RequestId r : state_.running) {
    const Flight& f = state_.flights[r];
    if (!state_.seqs[r].chunking && f.unseen != 1) return false;
  }
  flying_ = std::move(queue_.front());
  queue_.pop_front();
  flying_decodes_ = 0;
  flying_chunks_.clear();
  leaving_.clear();
  chunkers_.clear();
  const Terms before = ledger_.totals.terms - flying_.terms;
  std::size_t at = flying_.first_entry;
  for (const Entry& e : flying_.entries) {
    if (recorder_.entries_on()) recorder_.fate(at++, e.samples ? 'k' : '-', e.samples);
    const Seq& q = state_.seqs[e.id];
    const bool first = q.known == q.prompt;
    const bool last = q.known + 1 >= q.limit;
    if (!e.samples || first || e.tokens != 1 || ledger_.redoing(e.id) ||
        ledger_.last_token_ns(e.id) != now() || !ledger_.booked_until(e.id, flying_.start)) {
      flying_chunks_.push_back({e, first, last});
      continue;
    }
    ++flying_decodes_;
    ledger_.open_batches(e.id, before);
    if (last) {
      leaving_.push_back(ordered(q, e.id));
    } else {
      lazy_.enter(e.id);
    }
  }
  for (const RequestId r : state_.running) {
    const Seq& q = state_.seqs[r];
    state_.flights[r] = Flight{};
    if (q.chunking) chunkers_.push_back(ordered(q, r));
  }
  lazy_now_ = true;
  blocked_ = false;
  return true;
}

// Those whose last prompt chunk is in flight decode from the next batch on.
template <class Pool>
void QueuedReplica<Pool>::enter_from_flight() {
  for (const Chunk& c : flying_chunks_) {
    if (!c.entry.samples || c.last || state_.seqs[c.entry.id].lazy) continue;
    lazy_.enter(c.entry.id);
    ledger_.open_batches(c.entry.id, ledger_.totals.terms);
  }
}

// Writes everything out as the definition wants it; enter_from_flight() has been called.
template <class Pool>
void QueuedReplica<Pool>::go_explicit() {
  std::erase_if(state_.running, [this](RequestId r) { return !state_.seqs[r].live; });
  const Terms before = ledger_.totals.terms - flying_.terms;
  flying_.entries.clear();
  auto chunk = flying_chunks_.begin();
  auto leaving = leaving_.begin();
  for (const RequestId r : state_.running) {
    Seq& q = state_.seqs[r];
    Flight& f = state_.flights[r];
    const bool was_lazy = q.lazy;
    if (was_lazy) {
      lazy_.leave_wheel(r);
      lazy_.leave(r);
    }
    if (chunk != flying_chunks_.end() && chunk->entry.id == r) {
      flying_.entries.push_back(chunk->entry);
      f.in_flight = chunk->entry.tokens;
      f.unseen = chunk->entry.samples ? 1 : 0;
      if (was_lazy) ledger_.open_batches(r, Terms{} - ledger_.totals.terms);
      ++chunk;
      continue;
    }
    const bool leaves = leaving != leaving_.end() && id_of(*leaving) == r;
    if (!was_lazy && !leaves) continue;
    if (leaves) ++leaving;
    flying_.entries.push_back({r, q.computed - 1, 1, 0, q.blocks, 2, false, true});
    f.in_flight = f.unseen = 1;
    ledger_.close_batches(r, before, flying_.start);
    ledger_.set_last_token(r, now());
  }
  flying_.samples = false;
  for (const Entry& e : flying_.entries) flying_.samples = flying_.samples || e.samples;
  stage_free_[0] = flying_.end;
  recent_.assign(1, {flying_.end, flying_.samples});
  queue_.push_back(std::move(flying_));
  lazy_.reset_step();
  lazy_now_ = false;
}

template <class Pool>
bool QueuedReplica<Pool>::lazy_round() {
  add_arrivals();
  const bool none_enter = state_.waiting.empty() || blocked_;
  if (flying_chunks_.empty() && leaving_.empty() && chunkers_.empty() && none_enter &&
      lazy_.count() > 0 && lazy_.step() < (std::int64_t{1} << 30)) {
    const std::int64_t steps = ledger_.totals.steps;
    leap();
    if (ledger_.totals.steps > steps) return true;
  }
  enter_from_flight();
  state_.set_threshold();
  if (lazy_.step() >= (std::int64_t{1} << 30) || !lazy_allowed()) {
    go_explicit();
    return false;
  }
  state_.plan.clear();
  state_.preempted.clear();
  state_.carried = state_.admitted_prefill = false;
  launch(run_lazy_and_chunks());
  return true;
}

template <class Pool>
std::int64_t QueuedReplica<Pool>::chunk_tokens(const Seq& q, std::int64_t budget) const {
  std::int64_t n = q.known - q.computed;
  if (0 < state_.threshold && state_.threshold < n) n = state_.threshold;
  return std::min({n, budget, state_.cfg.max_model_len - q.computed - 1});
}

// No preemption, and no chunk that competes for the budget with a decode behind it.
template <class Pool>
bool QueuedReplica<Pool>::lazy_allowed() const {
  if (lazy_.count() == 0 || lazy_.count() > state_.cfg.budget) return false;
  std::int64_t wish = lazy_.count();
  auto blocks = static_cast<std::int64_t>(lazy_.takers().size());
  std::int64_t budget = state_.cfg.budget - lazy_.count();
  for (const OrderedId x : chunkers_) {
    const Seq& q = state_.seqs[id_of(x)];
    wish += chunk_tokens(q, state_.cfg.max_model_len);
    const std::int64_t n = chunk_tokens(q, budget);
    budget -= n;
    blocks += state_.blocks_needed(q, q.computed + n);
  }
  if (blocks > state_.pool.free()) return false;
  if (chunkers_.empty()) return true;
  std::size_t behind = 0;
  for (std::size_t i = state_.running.size(); i > 0; --i) {
    const Seq& q = state_.seqs[state_.running[i - 1]];
    if (!q.live) continue;
    if (q.lazy) break;
    if (q.chunking) ++behind;
  }
  return behind == chunkers_.size() || (wish <= state_.cfg.budget && !lazy_.publishes_next());
}

// The running loop; returns the budget that is left.
template <class Pool>
std::int64_t QueuedReplica<Pool>::run_lazy_and_chunks() {
  std::int64_t spent = 0;
  bool published = !lazy_.publishes_next();
  merged_ = lazy_.takers();
  merged_.insert(merged_.end(), chunkers_.begin(), chunkers_.end());
  std::inplace_merge(merged_.begin(), merged_.end() - static_cast<std::ptrdiff_t>(chunkers_.size()),
                     merged_.end());
  for (const OrderedId x : merged_) {
    const RequestId r = id_of(x);
    Seq& q = state_.seqs[r];
    if (q.lazy) {
      lazy_.take_block(q);
      continue;
    }
    if (!published) lazy_.publish_blocks();
    published = true;
    const std::int64_t n = chunk_tokens(q, state_.cfg.budget - lazy_.count() - spent);
    if (n <= 0) continue;
    const std::int32_t before = q.blocks;
    state_.append_blocks(q, state_.blocks_needed(q, q.computed + n));
    state_.publish(r, q, q.computed + n);
    state_.plan.push_back({r, q.computed, static_cast<std::int32_t>(n), 0, before, 2, false});
    spent += n;
  }
  if (!published) lazy_.publish_blocks();
  return state_.cfg.budget - lazy_.count() - spent;
}

// Admissions, the new batch's execution, and then the output of the one in flight.
template <class Pool>
void QueuedReplica<Pool>::launch(std::int64_t left) {
  flush_ = false;
  state_.carried = !state_.plan.empty();
  state_.admit_queued(left, left, false);
  const Admission end = state_.admission_end;
  blocked_ = end == Admission::memory
                 ? state_.memory_stays_short()
                 : end == Admission::slots || (end != Admission::empty && state_.plan.empty());
  StepShape shape;
  shape.decode_seqs = shape.decode_tokens = shape.sampled = lazy_.count();
  shape.decode_context = lazy_.context();
  for (Entry& e : state_.plan) {
    Seq& q = state_.seqs[e.id];
    q.computed += e.tokens;
    q.chunking = q.computed < q.known;
    e.samples = !q.chunking;
    Definition<Pool>::add_to(shape, e, q);
  }
  Batch next;
  next.terms = std::visit([&shape](const auto& m) { return m.step(shape); }, model_);
  next.start = flying_.end;
  next.end = next.start + next.terms.total();
  next.row = recorder_.next_row();
  next.first_entry = recorder_.next_entry();
  if (recorder_.steps_on()) record_lazy(next, shape);
  count(next, shape);
  const std::int64_t decodes = lazy_.count();
  lazy_.advance();
  std::swap(flying_, next);
  std::swap(flying_decodes_, landing_decodes_);
  landing_ = std::move(next);
  landing_chunks_.swap(flying_chunks_);
  landing_leaving_.swap(leaving_);
  flying_decodes_ = decodes;
  flying_chunks_.clear();
  leaving_.clear();
  lazy_.collect_finished(leaving_);
  if (leaving_.size() > 1) std::sort(leaving_.begin(), leaving_.end());
  for (const Entry& e : state_.plan) {
    const Seq& q = state_.seqs[e.id];
    if (e.kind != 2) {
      ledger_.batch_began(e.id, flying_.start, e.kind == 1);
      if (q.chunking) insert_ordered(chunkers_, ordered(q, e.id));
    } else if (!q.chunking) {
      erase_ordered(chunkers_, ordered(q, e.id));
    }
    flying_chunks_.push_back({e, q.known == q.prompt, q.known + 1 >= q.limit});
  }
  land();
}

// Output of the batch before the one that has just been launched.
template <class Pool>
void QueuedReplica<Pool>::land() {
  const Ns before = now();
  advance_to(landing_.end);
  if (landing_decodes_ > 0) {
    ledger_.itl.add(now() - before, static_cast<std::uint64_t>(landing_decodes_));
    livelock_.progress();
  }
  const Terms sums = ledger_.totals.terms - flying_.terms;
  for (const Chunk& c : landing_chunks_) {
    ledger_.batch_ended(c.entry.id, landing_.start, landing_.end, landing_.terms, c.entry.samples);
    if (!c.entry.samples) continue;
    livelock_.progress();
    // Those that decode on had their terms opened when the next batch left.
    ledger_.sampled_in_batch(c.entry.id, c.first, c.last ? Terms{} : sums);
    if (!c.last) continue;
    ledger_.open_batches(c.entry.id, sums);
    landing_leaving_.push_back(ordered(state_.seqs[c.entry.id], c.entry.id));
  }
  std::sort(landing_leaving_.begin(), landing_leaving_.end());
  for (const OrderedId x : landing_leaving_) {
    const RequestId r = id_of(x);
    Seq& q = state_.seqs[r];
    ledger_.close_batches(r, sums, now());
    q.known = q.limit;
    state_.publish(r, q, q.computed);
    q.done = true;
    state_.finish(r);
    feed_.finished(r, now());
    --unfinished_;
    flush_ = true;
    blocked_ = false;
  }
  if (recorder_.steps_on()) {
    recorder_.processed(landing_.row, now(), state_.pool.free());
  }
  if (static_cast<std::int64_t>(state_.running.size()) > 2 * state_.num_running + 64) {
    std::erase_if(state_.running, [this](RequestId r) { return !state_.seqs[r].live; });
  }
}

template <class Pool>
void QueuedReplica<Pool>::leap() {
  std::visit([this](const auto& model) { this->leap_with(model); }, model_);
}

// Rounds in which the lazy requests, and nothing else, are launched and land.
template <class Pool>
template <class Model>
void QueuedReplica<Pool>::leap_with(const Model& model) {
  RunTotals& totals = ledger_.totals;
  const std::int64_t n = lazy_.count();
  const std::int64_t steps = lazy_.next_finish() - lazy_.step();
  const auto decode = model.decode(n);
  const bool head_waits = !state_.waiting.empty();
  const Ns next_arrival = feed_.next_time();
  const Ns began = now();
  Ns t = began;
  Ns end = flying_.end;
  Terms sum;
  Terms terms = flying_.terms;
  std::int64_t done = 0;
  Int128 used_integral = 0;
  state_.plan.clear();
  state_.preempted.clear();
  for (; done < steps && t < next_arrival; ++done) {
    const auto need = static_cast<std::int64_t>(lazy_.takers().size());
    if (need > state_.pool.free() || (head_waits && lazy_.publishes_next())) break;
    terms = decode(lazy_.context());
    if (need > 0) lazy_.take_blocks();
    if (lazy_.publishes_next()) lazy_.publish_blocks();
    ledger_.itl.add(end - t, static_cast<std::uint64_t>(flying_decodes_));
    flying_decodes_ = n;
    const std::int64_t used = state_.pool.usable() - state_.pool.free();
    used_integral += Int128{used} * (end - t);
    sum += terms;
    if (recorder_.steps_on()) record_leap(t, end, terms, n);
    t = end;
    end += terms.total();
    lazy_.advance();
  }
  if (done == 0) return;
  livelock_.progress();
  flying_.terms = terms;
  flying_.start = t;
  flying_.end = end;
  totals.terms += sum;
  totals.steps += done;
  totals.lazy_steps += done;
  totals.busy_ns += sum.total();
  totals.scheduled_tokens += n * done;
  totals.entries += n * done;
  const auto waiting = static_cast<std::int64_t>(state_.waiting.size());
  totals.max_running = std::max(totals.max_running, state_.num_running);
  totals.max_waiting = std::max(totals.max_waiting, waiting);
  totals.max_used_blocks =
      std::max(totals.max_used_blocks, state_.pool.usable() - state_.pool.free());
  totals.waiting_integral += Int128{waiting} * (t - began);
  totals.running_integral += Int128{state_.num_running} * (t - began);
  totals.used_block_integral += used_integral;
  ledger_.set_clock(t);
  flush_ = false;
  if (done == steps) lazy_.collect_finished(leaving_);
  if (leaving_.size() > 1) std::sort(leaving_.begin(), leaving_.end());
}

// Rows of a launched batch: lazy requests and the plan, in running order.
template <class Pool>
void QueuedReplica<Pool>::record_lazy(const Batch& batch, const StepShape& shape) {
  if constexpr (Pool::has_ids) {
    if (recorder_.entries_on()) {
      auto planned = state_.plan.begin();
      for (const RequestId r : state_.running) {
        const Seq& q = state_.seqs[r];
        if (!q.live) continue;
        const std::size_t at = recorder_.next_entry();
        if (q.lazy) {
          const std::int32_t c = lazy_.computed(q);
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
  recorder_.step(
      {now(), batch.terms, shape.decode_seqs + shape.chunks, shape.tokens(), shape.context(),
       state_.num_running, static_cast<std::int64_t>(state_.waiting.size()), state_.pool.free()},
      state_.preempted);
  recorder_.batch(batch.start, batch.end, 2);
}

template <class Pool>
void QueuedReplica<Pool>::record_leap(Ns t, Ns end, const Terms& terms, std::int64_t n) {
  Batch batch;
  batch.terms = terms;
  batch.start = end;
  batch.end = end + terms.total();
  StepShape shape;
  shape.decode_seqs = shape.decode_tokens = n;
  shape.decode_context = lazy_.context();
  const std::size_t row = recorder_.next_row();
  const std::size_t first_entry = recorder_.next_entry();
  const Ns clock = now();
  ledger_.set_clock(t);
  record_lazy(batch, shape);
  ledger_.set_clock(clock);
  recorder_.processed(flying_.row, end, state_.pool.free());
  flying_.row = row;
  flying_.first_entry = first_entry;
}

}  // namespace kvsim
