// The lazy path of a replica (see scheduler/lazy.hpp). Includers of Replica include this header.
#pragma once

#include "kvsim/server/replica.hpp"
#include "kvsim/step_time/decode_block.hpp"

namespace kvsim {

template <class Pool>
bool Replica<Pool>::go_lazy() {
  chunkers_.clear();
  const Ns now = ledger_.now();
  for (const RequestId r : state_.running) {
    const Seq& q = state_.seqs[r];
    if (!q.live || q.chunking) continue;
    // A decode that was passed over in the last step has an irregular gap: leave it explicit.
    if (ledger_.last_token_ns(r) != now) return false;
  }
  for (const RequestId r : state_.running) {
    const Seq& q = state_.seqs[r];
    if (!q.live) continue;
    if (q.chunking) {
      chunkers_.push_back(ordered(q, r));
    } else {
      lazy_.enter(r);
    }
  }
  lazy_now_ = true;
  return true;
}

template <class Pool>
void Replica<Pool>::go_explicit() {
  lazy_.materialise(ledger_.now());
  std::erase_if(state_.running, [this](RequestId r) { return !state_.seqs[r].live; });
  chunkers_.clear();
  lazy_now_ = false;
}

template <class Pool>
void Replica<Pool>::leap() {
  std::visit([this](const auto& model) { this->leap_with(model); }, model_);
}

template <class Pool>
template <class Model>
void Replica<Pool>::leap_with(const Model& model) {
  for (;;) {
    const std::int64_t steps = lazy_.next_finish() - lazy_.step();
    const bool whole = leap_steps(model.decode(lazy_.count()), steps);
    if (whole) {
      finished_.clear();
      lazy_.collect_finished(finished_);
      if (finished_.size() > 1) std::sort(finished_.begin(), finished_.end());
      for (const OrderedId x : finished_) finish(id_of(x));
      if (recorder_.steps_on())
        recorder_.steps.free_blocks_end.back() = static_cast<std::int32_t>(state_.pool.free());
    }
    if (!whole || lazy_.count() == 0 || !state_.waiting.empty() ||
        feed_.next_time() <= ledger_.now()) {
      return;
    }
    poll();
  }
}

// Up to `steps` steps of the lazy requests; false if it stopped before: an arrival, no blocks, or a
// published key that lets the head of the queue hit more blocks.
template <class Pool>
template <class Decode>
bool Replica<Pool>::leap_steps(const Decode& decode, std::int64_t steps) {
  RunTotals& totals = ledger_.totals;
  const std::int64_t n = lazy_.count();
  const auto waiting = static_cast<std::int64_t>(state_.waiting.size());
  const std::int64_t first_context = lazy_.context();
  const Ns began = ledger_.now();
  state_.plan.clear();
  state_.preempted.clear();
  Leap leap{began};
  if (recorder_.steps_on() || meter_.on()) {
    leap_recorded(decode, steps, leap);
  } else {
    leap_blocks(decode, steps, leap);
  }
  if (leap.steps == 0) return false;
  // Of equal steps the one with the least context is the shortest.
  if (has_links_) use_links(n, decode(first_context).total());
  ledger_.end_step(leap.terms);
  livelock_.progress();
  totals.steps += leap.steps;
  totals.lazy_steps += leap.steps;
  totals.busy_ns += leap.now - began;
  totals.scheduled_tokens += n * leap.steps;
  totals.entries += n * leap.steps;
  totals.max_running = std::max(totals.max_running, state_.num_running);
  totals.max_waiting = std::max(totals.max_waiting, waiting);
  totals.max_used_blocks = std::max(totals.max_used_blocks, used_blocks());
  totals.waiting_integral += Int128{waiting} * (leap.now - began);
  totals.running_integral += Int128{state_.num_running} * (leap.now - began);
  totals.used_block_integral += leap.used_integral;
  if (state_.cfg.prefill_interval > 1) {
    state_.executed += leap.steps;
    state_.bound = false;
  }
  return leap.steps == steps;
}

// The next step fills a block that may be a hit for the head of the queue, which then has to be
// tried again.
template <class Pool>
bool Replica<Pool>::head_may_hit_next() const {
  return lazy_.publishes_next() && !state_.waiting.empty();
}

// Nothing is written but blocks and latencies.
template <class Pool>
template <class Decode>
void Replica<Pool>::leap_blocks(const Decode& decode, std::int64_t steps, Leap& leap) {
  const std::int64_t n = lazy_.count();
  const Ns next_arrival = feed_.next_time();
  const std::int64_t block_size = state_.cfg.block_size;
  const std::int32_t* const needs = lazy_.needs();
  const std::int64_t usable = state_.pool.usable();
  std::int64_t used = used_blocks();
  std::int64_t context = lazy_.context();
  std::int64_t at = lazy_.step_mod();
  Ns now = leap.now;
  Ns hbm = 0;
  Int128 used_integral = 0;
  std::int64_t done = 0;
  bool stopped = false;
  DecodeBlock<Decode> block(decode, n);
  ItlHistogram::Gaps gaps(ledger_.itl(), static_cast<std::uint64_t>(n));
  while (done < steps && !stopped) {
    const auto known = static_cast<std::int64_t>(block.fill(context));
    const std::int64_t most = std::min(known, steps - done);
    std::int64_t i = 0;
    while (i < most && !stopped) {
      const std::int64_t need = needs[at];
      if (used + need > usable || head_may_hit_next()) break;
      if constexpr (Pool::has_ids) {
        if (need > 0) lazy_.take_blocks();
        if (lazy_.publishes_next()) lazy_.publish_blocks();
        lazy_.advance();
      }
      used += need;
      const Ns dur = block.durations()[i];
      used_integral += Int128{used} * dur;
      now += dur;
      hbm += block.hbm()[i];
      gaps.add(dur);
      if (++at == block_size) at = 0;
      ++i;
      stopped = now >= next_arrival;
    }
    context += n * i;
    done += i;
    if (i < most) break;
  }
  if constexpr (!Pool::has_ids) {
    lazy_.advance(done);
    state_.pool.take(used - used_blocks());
  }
  leap.steps = done;
  leap.terms = block.sum(done, now - leap.now, hbm);
  leap.now = now;
  leap.used_integral = used_integral;
}

// The same step by step, for what is recorded or metered.
template <class Pool>
template <class Decode>
void Replica<Pool>::leap_recorded(const Decode& decode, std::int64_t steps, Leap& leap) {
  const std::int64_t n = lazy_.count();
  const auto waiting = static_cast<std::int64_t>(state_.waiting.size());
  const Ns next_arrival = feed_.next_time();
  bool stopped = false;
  while (leap.steps < steps && !stopped) {
    const auto need = static_cast<std::int64_t>(lazy_.takers().size());
    if (need > state_.pool.free() || head_may_hit_next()) break;
    const Terms terms = decode(lazy_.context());
    if (need > 0) lazy_.take_blocks();
    if (lazy_.publishes_next()) lazy_.publish_blocks();
    const Ns dur = terms.total();
    if (meter_.on()) meter(leap.now, dur, lazy_.context());
    if (recorder_.steps_on()) {
      if (recorder_.entries_on()) record_lazy_entries();
      recorder_.step(
          {leap.now, terms, n, n, lazy_.context(), state_.num_running, waiting, state_.pool.free()},
          state_.preempted);
      recorder_.end_step(state_.pool.free());
    }
    leap.used_integral += Int128{used_blocks()} * dur;
    leap.terms += terms;
    leap.now += dur;
    ledger_.itl().add(dur, static_cast<std::uint64_t>(n));
    lazy_.advance();
    ++leap.steps;
    stopped = leap.now >= next_arrival;
  }
}

// Entries of a step whose plan holds what is not lazy, in running order.
template <class Pool>
void Replica<Pool>::record_lazy_entries() {
  if constexpr (Pool::has_ids) {
    auto planned = state_.plan.begin();
    for (const RequestId r : state_.running) {
      const Seq& q = state_.seqs[r];
      if (!q.live) continue;
      if (q.lazy) {
        const std::int32_t c = lazy_.computed(q);
        const bool took = !q.reserved && c % state_.cfg.block_size == 0;
        recorder_.entry({r, c, 1, 0, 0, 2, false}, state_.table(q) + c / state_.cfg.block_size,
                        took ? 1 : 0, 1);
      } else if (planned != state_.plan.end() && planned->id == r) {
        recorder_.entry(*planned, state_.table(q) + planned->blocks_before,
                        q.blocks - planned->blocks_before, q.chunking ? 0 : 1);
        ++planned;
      }
    }
  }
}

// ---- a step of lazy decodes with chunks, admissions or preemptions ----

template <class Pool>
std::int64_t Replica<Pool>::chunk_tokens(const Seq& q, std::int64_t budget) const {
  std::int64_t n = q.known - q.computed;
  if (0 < state_.threshold && state_.threshold < n) n = state_.threshold;
  return std::min({n, budget, state_.cfg.max_model_len - q.computed - 1});
}

// Whether order within the running loop cannot matter beyond what run_lazy_and_chunks() follows:
// all chunks behind all decodes, or budget for everybody.
template <class Pool>
bool Replica<Pool>::sparse_allowed() const {
  if (state_.cfg.prefill_interval > 1 || lazy_.count() > state_.cfg.budget) return false;
  std::int64_t wish = lazy_.count();
  std::int64_t blocks = static_cast<std::int64_t>(lazy_.takers().size());
  std::int64_t budget = state_.cfg.budget - lazy_.count();
  for (const OrderedId x : chunkers_) {
    const Seq& q = state_.seqs[id_of(x)];
    wish += chunk_tokens(q, state_.cfg.max_model_len);
    const std::int64_t n = chunk_tokens(q, budget);
    budget -= n;
    blocks += state_.blocks_needed(q, q.computed + n);
  }
  const bool definition = state_.cfg.priority || state_.cfg.preemption.careful;
  if (definition && blocks > state_.pool.free()) return false;
  if (chunkers_.empty()) return true;
  std::size_t behind = 0;
  for (std::size_t i = state_.running.size(); i > 0; --i) {
    const Seq& q = state_.seqs[state_.running[i - 1]];
    if (!q.live) continue;
    if (q.lazy) break;
    ++behind;
  }
  if (behind == chunkers_.size()) return true;
  return wish <= state_.cfg.budget && !lazy_.publishes_next();
}

template <class Pool>
void Replica<Pool>::plan_chunk(RequestId r, std::int64_t n) {
  Seq& q = state_.seqs[r];
  const std::int64_t need = state_.blocks_needed(q, q.computed + n);
  const std::int32_t before = q.blocks;
  state_.append_blocks(q, need);
  state_.publish(r, q, q.computed + n);
  state_.plan.push_back({r, q.computed, static_cast<std::int32_t>(n), 0, before, 2, false});
}

template <class Pool>
void Replica<Pool>::preempt_last(RequestId victim) {
  Seq& q = state_.seqs[victim];
  if (q.lazy) {
    lazy_.leave_wheel(victim);
    lazy_.leave(victim);
    ledger_.set_last_token(victim, ledger_.now());
  } else {
    erase_ordered(chunkers_, ordered(q, victim));
  }
  state_.running.pop_back();
  state_.preempt(victim);
}

// The running loop (section 3.1) over the requests that need a block or compute a chunk, in running
// order; the other decodes need nothing. Returns the budget that is left.
template <class Pool>
std::int64_t Replica<Pool>::run_lazy_and_chunks() {
  std::int64_t spent = 0;
  bool published = !lazy_.publishes_next();
  if (chunkers_.empty() && static_cast<std::int64_t>(lazy_.takers().size()) <= state_.pool.free()) {
    lazy_.take_blocks();
    if (!published) lazy_.publish_blocks();
    return state_.cfg.budget - lazy_.count();
  }
  takers_ = lazy_.takers();
  takers_.insert(takers_.end(), chunkers_.begin(), chunkers_.end());
  std::inplace_merge(takers_.begin(), takers_.end() - static_cast<std::ptrdiff_t>(chunkers_.size()),
                     takers_.end());
  for (const OrderedId x : takers_) {
    const RequestId r = id_of(x);
    Seq& q = state_.seqs[r];
    if (!q.live) break;  // preempted, and so is everybody behind
    std::int64_t n = 1;
    std::int64_t need = 1;
    if (!q.lazy) {
      // Blocks with equal keys are found in order of publication: decodes stand before chunks
      // (sparse_allowed), and no decode is preempted any more once a chunk's turn has come.
      if (!published) lazy_.publish_blocks();
      published = true;
      n = chunk_tokens(q, state_.cfg.budget - lazy_.count() - spent);
      if (n <= 0) continue;
      need = state_.blocks_needed(q, q.computed + n);
    }
    while (need > state_.pool.free()) {
      const RequestId victim = state_.last_running();
      preempt_last(victim);
      if (victim == r) break;
    }
    if (!q.live) break;
    if (q.lazy) {
      lazy_.take_block(q);
    } else {
      plan_chunk(r, n);
      spent += n;
    }
  }
  if (!published) lazy_.publish_blocks();
  return state_.cfg.budget - lazy_.count() - spent;
}

template <class Pool>
bool Replica<Pool>::sparse_step() {
  state_.set_threshold();
  if (!sparse_allowed()) return false;
  state_.plan.clear();
  state_.preempted.clear();
  state_.carried = state_.admitted_prefill = state_.stalled = false;
  const std::int64_t left = run_lazy_and_chunks();
  state_.carried = !state_.plan.empty();
  if (state_.preempted.empty()) {
    state_.admit(left, left, false);
    const Admission end = state_.admission_end;
    // What this step's chunks and admissions took of the budget comes back with the next step.
    blocked_ = end == Admission::memory
                   ? state_.memory_stays_short()
                   : end == Admission::slots || (end != Admission::empty && state_.plan.empty());
  } else {
    blocked_ = false;
    state_.admission_end = Admission::preempted;
  }
  for (const Entry& e : state_.plan) {
    Seq& q = state_.seqs[e.id];
    q.computed += e.tokens;
    q.chunking = q.computed < q.known;
  }
  if (state_.plan.empty() && lazy_.count() == 0) {
    check_progress();
    return true;
  }
  if (!state_.preempted.empty()) check_progress();
  process_sparse();
  return true;
}

template <class Pool>
void Replica<Pool>::process_sparse() {
  StepShape shape;
  shape.decode_seqs = shape.decode_tokens = shape.sampled = lazy_.count();
  shape.decode_context = lazy_.context();
  for (const Entry& e : state_.plan) Definition<Pool>::add_to(shape, e, state_.seqs[e.id]);
  Terms terms = std::visit([&shape](const auto& m) { return m.step(shape); }, model_);
  state_.host.add_transfers(terms);
  if (recorder_.entries_on()) record_lazy_entries();
  record_step(shape, terms);
  count_step(shape, terms.total());
  if (lazy_.count() > 0) {
    ledger_.itl().add(terms.total(), static_cast<std::uint64_t>(lazy_.count()));
    livelock_.progress();
  }
  ledger_.end_step(terms);
  lazy_.advance();

  finished_.clear();
  lazy_.collect_finished(finished_);
  for (const Entry& e : state_.plan) {
    Seq& q = state_.seqs[e.id];
    if (q.chunking) {
      if (e.kind != 2) insert_ordered(chunkers_, ordered(q, e.id));
      continue;
    }
    if (e.kind == 2) erase_ordered(chunkers_, ordered(q, e.id));
    livelock_.progress();
    ledger_.sampled_alone(e.id, q.known == q.prompt);
    if (++q.known >= q.limit) {
      finished_.push_back(ordered(q, e.id));
    } else {
      lazy_.enter(e.id);
    }
  }
  if (finished_.size() > 1) std::sort(finished_.begin(), finished_.end());
  for (const OrderedId x : finished_) finish(id_of(x));
  if (recorder_.steps_on()) recorder_.end_step(state_.pool.free());
  if (static_cast<std::int64_t>(state_.running.size()) > 2 * state_.num_running + 64) {
    std::erase_if(state_.running, [this](RequestId r) { return !state_.seqs[r].live; });
  }
}

}  // namespace kvsim
