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
  add_arrivals();
  if (chunkers_.empty() && (state_.waiting.empty() || blocked_) && leap() > 0) return true;
  enter_from_flight();
  state_.set_threshold();
  if (!lazy_allowed()) {
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
  const LazyDecodes<Pool>& lazy = groups_[turn_].lazy;
  if (state_.num_running == 0 || lazy.count() > state_.cfg.budget ||
      lazy.step() >= (std::int64_t{1} << 30)) {
    return false;
  }
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
  if (chunkers_.empty()) return true;
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

// Admissions, the new batch's execution, and then the output of the oldest one.
template <class Pool>
void QueuedReplica<Pool>::launch(std::int64_t left) {
  flush_ = false;
  state_.carried = !state_.plan.empty();
  state_.admit_queued(left, left, false);
  // What this call's chunks and admissions took of the budget comes back with the next one, and
  // another group leaves another budget: only with the whole prompt reserved does the memory that
  // an admission needs not depend on it.
  const Admission end = state_.admission_end;
  const bool alone = state_.cfg.stages == 1;
  blocked_ = end == Admission::slots ||
             (end == Admission::memory && (alone || state_.cfg.reserve_full)) ||
             (alone && end != Admission::empty && state_.plan.empty());
  LazyDecodes<Pool>& lazy = groups_[turn_].lazy;
  StepShape shape;
  shape.decode_seqs = shape.decode_tokens = shape.sampled = lazy.count();
  shape.decode_context = lazy.context();
  for (Entry& e : state_.plan) {
    Seq& q = state_.seqs[e.id];
    q.computed += e.tokens;
    q.chunking = q.computed < q.known;
    e.samples = !q.chunking;
    Definition<Pool>::add_to(shape, e, q);
  }
  Batch& batch = queue_.push();
  batch.group = turn_;
  batch.decodes = lazy.count();
  batch.terms = terms_of(shape);
  batch.samples = shape.sampled > 0;
  execute(batch, now());
  if (recorder_.steps_on()) record_lazy(batch, shape, now());
  count(batch, shape);
  lazy.advance();
  lazy.collect_finished(batch.leaving);
  if (batch.leaving.size() > 1) std::sort(batch.leaving.begin(), batch.leaving.end());
  launch_plan(batch);
  definition_.count_calls(1);
  land();
  end_round(shape.tokens() > 0);
}

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
    batch.chunks.push_back({e, q.known == q.prompt, q.known + 1 >= q.limit});
  }
}

// Output of the oldest batch.
template <class Pool>
void QueuedReplica<Pool>::land() {
  Batch& batch = queue_.front();
  Group& group = groups_[batch.group];
  advance_to(batch.end);
  if (batch.decodes > 0) {
    ledger_.itl.add(now() - group.landed, static_cast<std::uint64_t>(batch.decodes));
    livelock_.progress();
  }
  group.sums += batch.terms;
  group.bubble += batch.end - group.end - batch.terms.total();
  group.end = batch.end;
  group.landed = now();
  for (const Batch::Chunk& c : batch.chunks) land_chunk(batch, c, group);
  if (!batch.chunks.empty()) std::sort(batch.leaving.begin(), batch.leaving.end());
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
    flush_ = true;
    blocked_ = false;
  }
  if (recorder_.steps_on()) recorder_.processed(batch.row, now(), state_.pool.free());
  queue_.pop();
  if (static_cast<std::int64_t>(state_.running.size()) > 2 * state_.num_running + 64) {
    std::erase_if(state_.running, [this](RequestId r) { return !state_.seqs[r].live; });
  }
}

template <class Pool>
void QueuedReplica<Pool>::land_chunk(Batch& batch, const Batch::Chunk& chunk, Group& group) {
  const RequestId r = chunk.entry.id;
  ledger_.batch_ended(r, batch.start, batch.end, batch.terms, chunk.entry.samples);
  if (!chunk.entry.samples) return;
  livelock_.progress();
  ledger_.sampled_in_batch(r, chunk.first);
  ledger_.open_batches(r, group.sums, group.bubble);
  Seq& q = state_.seqs[r];
  if (chunk.last) {
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
std::int64_t QueuedReplica<Pool>::leap() {
  return std::visit([this](const auto& model) { return leap_with(model); }, model_);
}

// Rounds in which decodes of a group, and nothing else, are launched and land; returns how many.
template <class Pool>
template <class Model>
std::int64_t QueuedReplica<Pool>::leap_with(const Model& model) {
  using Decode = typename Model::Decode;
  if (!queue_.front().plain() || state_.num_running == 0) return 0;
  for (Group& g : groups_) {
    const std::int64_t n = g.lazy.count();
    if (n > 0) g.last_token_at = g.lazy.next_finish();
    if (n == g.decode_seqs) continue;
    g.decode_seqs = n;
    if (n > 0) g.decode = model.decode(n);
  }
  constexpr std::int64_t most = 1 << 20;
  RunTotals& totals = ledger_.totals;
  const bool head_waits = !state_.waiting.empty();
  const auto waiting = static_cast<std::int64_t>(state_.waiting.size());
  const Ns next_arrival = feed_.next_time();
  const Ns began = now();
  Ns t = began;
  std::int64_t rounds = 0;
  Int128 used_integral = 0;
  state_.plan.clear();
  state_.preempted.clear();
  for (; rounds < most && t < next_arrival && queue_.front().plain(); ++rounds) {
    Group& group = groups_[turn_];
    const LazyDecodes<Pool>& lazy = group.lazy;
    const bool empty = lazy.count() == 0;
    if (!empty) {
      const auto need = static_cast<std::int64_t>(lazy.takers().size());
      if (need > state_.pool.free() || lazy.count() > state_.cfg.budget ||
          (head_waits && lazy.publishes_next()) || lazy.step() >= (std::int64_t{1} << 30)) {
        break;
      }
    }
    Batch& launched = queue_.push();
    launch_decodes(launched, group, std::get_if<Decode>(&group.decode), t);
    Batch& oldest = queue_.front();
    const Ns from = t;
    t = std::max(t, oldest.end);
    Group& lands = groups_[oldest.group];
    if (oldest.decodes > 0) {
      ledger_.itl.add(t - lands.landed, static_cast<std::uint64_t>(oldest.decodes));
    }
    lands.sums += oldest.terms;
    lands.bubble += oldest.end - lands.end - oldest.terms.total();
    lands.end = oldest.end;
    lands.landed = t;
    if (recorder_.steps_on()) recorder_.processed(oldest.row, t, state_.pool.free());
    queue_.pop();
    if (empty) t += state_.cfg.empty_sleep_ns;
    used_integral += Int128{used_blocks()} * (t - from);
    if (++turn_ == groups_.size()) turn_ = 0;
  }
  if (rounds == 0) return 0;
  livelock_.progress();
  totals.max_running = std::max(totals.max_running, state_.num_running);
  totals.max_waiting = std::max(totals.max_waiting, waiting);
  totals.max_used_blocks = std::max(totals.max_used_blocks, used_blocks());
  totals.waiting_integral += Int128{waiting} * (t - began);
  totals.running_integral += Int128{state_.num_running} * (t - began);
  totals.used_block_integral += used_integral;
  definition_.count_calls(rounds);
  ledger_.set_clock(t);
  flush_ = false;
  return rounds;
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
    if (!lazy.takers().empty()) lazy.take_blocks();
    if (lazy.publishes_next()) lazy.publish_blocks();
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
  RunTotals& totals = ledger_.totals;
  totals.terms += batch.terms;
  ++totals.steps;
  ++totals.lazy_steps;
  totals.busy_ns += batch.stage_ns;
  totals.scheduled_tokens += n;
  totals.entries += n;
  lazy.advance();
  if (lazy.step() < group.last_token_at) return;
  lazy.collect_finished(batch.leaving);
  if (batch.leaving.size() > 1) std::sort(batch.leaving.begin(), batch.leaving.end());
  // The batch of those who leave ends the leap before their group's next turn; but the wheel may
  // only have looked at who stood at its far end.
  group.last_token_at = lazy.count() > 0 ? lazy.next_finish() : 0;
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
