// Rounds of the lazy path with asynchronous scheduling on one stage. One batch is in flight when a
// round begins; the next one starts when it lands, and takes its place. Many rounds in a row make a
// stretch, whose sums stay out of the totals until its end. Whatever is rare (nobody decodes, the
// definition is needed) ends a stretch and is queued_leap.hpp's. Includers of QueuedReplica include
// this header.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <variant>

#include "kvsim/server/queued_leap.hpp"
#include "kvsim/step_time/decode_block.hpp"

namespace kvsim {

template <class Pool>
bool QueuedReplica<Pool>::alone() {
  return std::visit([this](const auto& model) { return this->alone_with(model); }, model_);
}

// A stretch; false if there is no round in it.
template <class Pool>
template <class Model>
bool QueuedReplica<Pool>::alone_with(const Model& model) {
  constexpr std::int64_t most = 2048;  // rounds between two polls, but for a run of decodes
  if (decodes_.empty()) decodes_.resize(decodes_kept);
  const Group& group = groups_.front();
  const auto launched = [this, &group] {
    Terms sums = group.sums;
    return sums += queue_.front().terms;
  };
  const Terms before = launched();
  Stretch s(ledger_.itl());
  while (s.rounds < most) {
    if (feed_.next_time() <= now()) {
      if (feed_.horizon() <= now()) break;
      if (ledger_.awaits_gaps()) s.gaps.flush();
      add_arrivals();
    }
    if (!queue_.front().chunks.empty()) enter_from_flight();
    if (group.lazy.count() == 0) break;
    if (none_enters() && alone_decodes(model, s)) continue;
    if (!alone_chunks(model, s)) break;
  }
  if (s.rounds == 0) return false;
  book(s, launched() - before);
  return true;
}

// model.decode(n), kept for all but large numbers.
template <class Pool>
template <class Model>
inline const typename Model::Decode& QueuedReplica<Pool>::decode_of(const Model& model,
                                                                    std::int64_t n) {
  StepTimeDecode& known = decodes_[static_cast<std::size_t>(n < decodes_kept ? n : 0)];
  const auto* const decode = std::get_if<typename Model::Decode>(&known);
  if (decode != nullptr && n < decodes_kept) return *decode;
  return known.template emplace<typename Model::Decode>(model.decode(n));
}

// A round with chunks or admissions; false, and nothing is done, if the definition has to.
template <class Pool>
template <class Model>
bool QueuedReplica<Pool>::alone_chunks(const Model& model, Stretch& s) {
  if (!schedule_lazily()) return false;
  const StepShape shape = shape_lazily();
  const Terms terms = model.step(shape);
  ledger_.totals.max_running = std::max(ledger_.totals.max_running, state_.num_running);
  s.tokens += shape.tokens();
  s.entries += shape.decode_seqs + shape.chunks;
  use_links(shape.tokens(), terms.total());
  relay(terms, s);
  launch_plan(queue_.front());
  return true;
}

// Rounds that launch decodes of the same requests, up to the first that launches somebody's last
// token; false if there is none. Whatever is in flight lands in the first of them, only such
// decodes in the others.
template <class Pool>
template <class Model>
bool QueuedReplica<Pool>::alone_decodes(const Model& model, Stretch& s) {
  Group& group = groups_.front();
  LazyDecodes<Pool>& lazy = group.lazy;
  if (!may_leap(lazy)) return false;
  const std::int64_t further = group.last_token_at - lazy.step() - 1;
  const auto& decode = decode_of(model, lazy.count());
  const Terms terms = decode(lazy.context());
  // Of these steps the first has the least context and is the shortest.
  use_links(lazy.count(), terms.total());
  allocate(lazy);
  ++s.lazy_rounds;
  s.tokens += lazy.count();
  s.entries += lazy.count();
  relay(terms, s);
  if (further > 0 && now() < feed_.next_time() && (state_.waiting.empty() || blocked_)) {
    alone_further(decode, further, s);
  }
  return true;
}

// The batch that is scheduled, of these terms, starts when the one in flight lands.
template <class Pool>
inline void QueuedReplica<Pool>::relay(const Terms& terms, Stretch& s) {
  Group& group = groups_.front();
  Batch& flying = queue_.front();
  flush_ = false;
  const Ns t = std::max(now(), flying.end);
  const Ns dt = t - now();
  const std::int64_t used = used_blocks();
  s.most_used = std::max(s.most_used, used);
  s.used_integral += Int128{used} * dt;
  s.running_integral += Int128{state_.num_running} * dt;
  if (const auto waiting = static_cast<std::int64_t>(state_.waiting.size()); waiting > 0) {
    s.most_waiting = std::max(s.most_waiting, waiting);
    s.waiting_integral += Int128{waiting} * dt;
  }
  ledger_.set_clock(t);
  land_decodes(flying, t, s.gaps);
  if (!flying.plain()) land_others(flying);
  flying.terms = terms;
  flying.start = t;
  flying.end = stage_free_[0] = t + terms.total();
  flying.decodes = group.lazy.count();
  flying.samples = true;
  ++s.rounds;
  group.lazy.advance();
  if (group.lazy.step() == group.last_token_at) collect_leaving(flying, group);
}

// Up to so many rounds that launch decodes of the same requests, while such decodes are in flight.
template <class Pool>
template <class Decode>
void QueuedReplica<Pool>::alone_further(const Decode& decode, std::int64_t rounds, Stretch& s) {
  LazyDecodes<Pool>& lazy = groups_.front().lazy;
  Batch& flying = queue_.front();
  const std::int64_t n = lazy.count();
  std::int64_t context = lazy.context();
  Further f{.t = flying.start, .used = used_blocks(), .bucket = lazy.step_mod()};
  Ns flies = flying.end - f.t;  // how long what is in flight does
  Ns last_hbm = 0;
  std::int64_t done = 0;
  DecodeBlock<Decode> block(decode, n);
  std::array<Ns, DecodeBlock<Decode>::size> landed{};
  while (done < rounds && f.t < feed_.next_time()) {
    const std::size_t most = std::min(block.fill(context), static_cast<std::size_t>(rounds - done));
    landed[0] = flies;
    std::copy_n(block.durations(), landed.size() - 1, landed.begin() + 1);
    const std::size_t i = alone_block(landed, block.hbm(), most, f);
    if (i == 0) break;
    s.gaps.add(landed, i, static_cast<std::uint64_t>(n));
    flies = block.durations()[i - 1];
    last_hbm = block.hbm()[i - 1];
    context += n * static_cast<std::int64_t>(i);
    done += static_cast<std::int64_t>(i);
    if (i < most) break;
  }
  if (done == 0) return;
  if constexpr (!Pool::has_ids) {
    state_.pool.take(f.used - used_blocks());
    lazy.advance(done);
  }
  const Ns launched_ns = f.t + flies - flying.end;
  Terms landed_terms = flying.terms;
  landed_terms += block.sum(done, launched_ns, f.hbm);
  flying.terms = block.sum(1, flies, last_hbm);
  land_further(f, done, landed_terms - flying.terms, s);
}

// All of these rounds without a look between them; false, and nothing is done, if one may need it.
template <class Pool>
template <std::size_t size>
inline bool QueuedReplica<Pool>::alone_whole_block(const std::array<Ns, size>& landed,
                                                   const Ns* hbm, Further& f) {
  const std::int64_t end = f.bucket + static_cast<std::int64_t>(size);
  Further next = f;
  for (const Ns duration : landed) next.t += duration;
  if (end >= state_.cfg.block_size || next.t >= feed_.next_time()) return false;
  const std::int32_t* const needs = groups_.front().lazy.needs() + f.bucket;
  for (std::size_t i = 0; i < size; ++i) {
    next.used += needs[i];
    next.used_integral += Int128{next.used} * landed[i];
    next.hbm += hbm[i];
  }
  if (next.used > state_.pool.usable()) return false;
  next.bucket = end;
  f = next;
  return true;
}

// Up to so many of these rounds, which land batches of these durations; returns how many. It stops
// after the one that an arrival ends, before the one that lacks blocks or might help the head of
// the queue.
template <class Pool>
template <std::size_t size>
inline std::size_t QueuedReplica<Pool>::alone_block(const std::array<Ns, size>& landed,
                                                    const Ns* hbm, std::size_t most, Further& f) {
  LazyDecodes<Pool>& lazy = groups_.front().lazy;
  const Ns next_arrival = feed_.next_time();
  const bool head_waits = !state_.waiting.empty();
  const std::int32_t* const needs = lazy.needs();
  const std::int64_t usable = state_.pool.usable();
  if constexpr (!Pool::has_ids) {
    if (most == size && alone_whole_block(landed, hbm, f)) return size;
  }
  std::size_t i = 0;
  while (i < most) {
    const std::int64_t need = needs[f.bucket];
    if (f.used + need > usable || (head_waits && lazy.publishes_next())) break;
    if constexpr (Pool::has_ids) {
      allocate(lazy);
      lazy.advance();
    }
    if (++f.bucket == state_.cfg.block_size) f.bucket = 0;
    f.used += need;
    f.used_integral += Int128{f.used} * landed[i];
    f.t += landed[i];
    f.hbm += hbm[i];
    ++i;
    if (f.t >= next_arrival) break;
  }
  return i;
}

// Books of what such rounds landed; the last batch launched is in flight.
template <class Pool>
void QueuedReplica<Pool>::land_further(const Further& f, std::int64_t done, const Terms& terms,
                                       Stretch& s) {
  Group& group = groups_.front();
  Batch& flying = queue_.front();
  const Ns landed_ns = f.t - flying.start;
  group.sums += terms;
  group.bubble += flying.start - group.end;
  group.end = group.landed = f.t;
  flying.start = f.t;
  flying.end = stage_free_[0] = f.t + flying.terms.total();
  flush_ = false;
  s.rounds += done;
  s.lazy_rounds += done;
  s.tokens += flying.decodes * done;
  s.entries += flying.decodes * done;
  s.most_used = std::max(s.most_used, f.used);
  s.used_integral += f.used_integral;
  s.running_integral += Int128{state_.num_running} * landed_ns;
  if (const auto waiting = static_cast<std::int64_t>(state_.waiting.size()); waiting > 0) {
    s.waiting_integral += Int128{waiting} * landed_ns;
  }
  ledger_.set_clock(f.t);
  if (group.lazy.step() == group.last_token_at) collect_leaving(flying, group);
}

template <class Pool>
void QueuedReplica<Pool>::book(const Stretch& s, const Terms& launched) {
  book_sums(s);
  RunTotals& totals = ledger_.totals;
  totals.max_waiting = std::max(totals.max_waiting, s.most_waiting);
  totals.waiting_integral += s.waiting_integral;
  totals.terms += launched;
  totals.steps += s.rounds;
  totals.lazy_steps += s.lazy_rounds;
  totals.busy_ns += launched.total();
  totals.entries += s.entries;
  livelock_.progress();
  polls_ += s.rounds - s.lazy_rounds;
}

}  // namespace kvsim
