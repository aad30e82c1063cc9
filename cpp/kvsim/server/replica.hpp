// A token-level replica: the engine loop around the scheduler (vLLM's, synchronous), by steps or by
// leaps. Leap and step give the same bits; replica_leap.hpp has the lazy path.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kvsim/core/control.hpp"
#include "kvsim/scheduler/definition.hpp"
#include "kvsim/scheduler/lazy.hpp"
#include "kvsim/scheduler/livelock.hpp"
#include "kvsim/scheduler/state.hpp"
#include "kvsim/server/draft.hpp"
#include "kvsim/server/ledger.hpp"
#include "kvsim/server/memory_map.hpp"
#include "kvsim/server/memory_meter.hpp"
#include "kvsim/server/step_recorder.hpp"
#include "kvsim/step_time/models.hpp"
#include "kvsim/workload/arrival_feed.hpp"

namespace kvsim {

template <class Pool>
class Replica {
 public:
  // longest_output: of requests that are still to come, in a fleet.
  Replica(const SchedulerConfig& config, const StepTimeModel& model, const RequestTable& table,
          Mode mode, Record record, bool waterfall, Control control,
          std::int64_t longest_output = 1)
      : ledger_(table, waterfall, false, control),
        state_(config, table),
        definition_(state_),
        lazy_(state_, longest(config, table, longest_output)),
        feed_(table, config.front_end),
        recorder_(record),
        livelock_(state_),
        meter_(state_),
        map_(state_, lazy_),
        model_(model),
        control_(control),
        leap_(mode == Mode::leap && config.drafts == 0),
        has_links_(bisection_ns(model, 1) > 0) {
    state_.ledger = &ledger_;
  }

  void run();

  // In a fleet: see ArrivalFeed::open(). advance() runs the scheduling calls before the horizon, or
  // to the first that has finishes if the feed stops there.
  void open(ArrivalFeed::Finishes* finished, bool stop_at_finish) {
    feed_.open(finished, stop_at_finish);
  }
  // The table's next row is a new request.
  void submit() {
    const auto r = static_cast<RequestId>(state_.seqs.size());
    state_.add_row();
    ledger_.add_row();
    ++unfinished_;
    feed_.submit(r);
  }
  void advance(Ns horizon) {
    feed_.set_horizon(horizon);
    serve();
  }
  // When it makes its next scheduling call, never if it has nothing to do.
  [[nodiscard]] Ns next_call() const {
    if (state_.num_running > 0 || !state_.waiting.empty()) return ledger_.now();
    return std::max(ledger_.now(), feed_.next_arrival());
  }
  // Takes out a request that has not finished (vLLM's abort).
  void abort(RequestId r);
  // Steps take `factor` times as long from now on.
  void set_slowdown(double factor) {
    if (lazy_now_) go_explicit();
    slowdown_ = factor;
  }
  void check_little() const { ledger_.check_little(); }
  static constexpr bool can_abort = true;

  Ledger& ledger() { return ledger_; }
  StepRecorder& recorder() { return recorder_; }
  HeatmapColumns& heatmap() { return map_.columns; }

 private:
  void serve();
  void add_arrivals();
  [[nodiscard]] Terms slowed(const Terms& terms) const;
  void step();         // an ordinary step, by the definition
  bool sparse_step();  // lazy decodes, explicit chunks and admissions; false: needs the definition
  void leap();         // steps of lazy decodes only
  template <class Model>
  void leap_with(const Model& model);
  struct Leap {
    Ns now;
    std::int64_t steps = 0;
    Terms terms = {};
    Int128 used_integral = 0;
  };
  [[nodiscard]] bool head_may_hit_next() const;
  template <class Decode>
  bool leap_steps(const Decode& decode, std::int64_t steps);
  template <class Decode>
  void leap_blocks(const Decode& decode, std::int64_t steps, Leap& leap);
  template <class Decode>
  void leap_recorded(const Decode& decode, std::int64_t steps, Leap& leap);

  bool go_lazy();  // true: every running request is lazy or stands in chunkers_
  void go_explicit();
  void finish(RequestId r) {
    state_.finish(r);
    feed_.finished(r, ledger_.now());
    --unfinished_;
    blocked_ = false;
  }
  void count_step(const StepShape& shape, Ns dur);
  void end_rejected();
  void wait_for_preemption();
  // Books of the memory: it is in this state from `began` on.
  void meter(Ns began, Ns dur, std::int64_t tokens) {
    const MemorySlots classes = meter_.classes(tokens);
    ledger_.totals.memory.add(classes, dur);
    if (map_.due(began + dur)) map_.sample(began + dur, classes, ledger_.totals);
  }
  [[nodiscard]] std::int64_t tokens_held() const;
  void idle_until(Ns t) {
    const Ns began = std::max(ledger_.now(), ledger_.totals.start_ns);
    if (meter_.on() && t > began) meter(began, t - began, 0);
    ledger_.set_clock(t);
  }
  void use_links(std::int64_t tokens, Ns dur) {
    if (has_links_) ledger_.used_bisection(bisection_ns(model_, tokens), dur);
  }
  void record_step(const StepShape& shape, const Terms& terms);
  void record_lazy_entries();
  void check_progress();
  void poll();

  // sparse_step()
  [[nodiscard]] bool sparse_allowed() const;
  [[nodiscard]] std::int64_t chunk_tokens(const Seq& q, std::int64_t budget) const;
  std::int64_t run_lazy_and_chunks();
  void plan_chunk(RequestId r, std::int64_t n);
  void preempt_last(RequestId victim);
  void process_sparse();

  static std::int64_t longest(const SchedulerConfig& c, const RequestTable& t, std::int64_t most) {
    for (const std::int32_t n : t.output_tokens) most = n > most ? n : most;
    return most < c.max_model_len ? most : c.max_model_len;
  }
  [[nodiscard]] std::int64_t used_blocks() const {
    return state_.pool.usable() - state_.pool.free();
  }

  Ledger ledger_;
  SchedulerState<Pool> state_;
  Definition<Pool> definition_;
  LazyDecodes<Pool> lazy_;
  ArrivalFeed feed_;
  StepRecorder recorder_;
  LivelockWatch<Pool> livelock_;
  MemoryMeter<Pool> meter_;
  MemoryMap<Pool> map_;
  const StepTimeModel& model_;
  Control control_;
  bool leap_;
  bool has_links_;  // the step-time model knows how much of them a step uses
  double slowdown_ = 1;
  std::vector<RequestId> aborted_;  // before the scheduler saw them
  bool lazy_now_ = false;           // running requests are lazy or in chunkers_
  bool blocked_ = false;  // the head of the queue cannot be admitted before something changes
  std::int64_t unfinished_ = 0;
  std::int64_t polls_ = 0;
  std::int64_t next_poll_ = 0;       // in polls and steps: a leap can be of very many steps
  std::vector<OrderedId> chunkers_;  // running requests with known tokens left to compute
  std::vector<OrderedId> finished_;
  std::vector<OrderedId> takers_;
};

template <class Pool>
void Replica<Pool>::add_arrivals() {
  while (feed_.next_arrival() <= ledger_.now()) {
    const Ns reached = feed_.next_arrival();
    const RequestId r = feed_.pop();
    const Ns at = feed_.sent(r, reached);
    if (!aborted_.empty() && std::erase(aborted_, r) > 0) {
      --unfinished_;
      continue;
    }
    ledger_.arrived(r, at);
    ledger_.totals.waiting_integral += ledger_.now() - at;
    state_.add(r);
    // First come, first served: who joins a queue with a blocked head changes nothing.
    if (state_.cfg.priority || state_.cfg.threshold > 0) blocked_ = false;
  }
}

template <class Pool>
void Replica<Pool>::run() {
  unfinished_ = state_.requests.size();
  if (!feed_.exhausted()) ledger_.totals.start_ns = feed_.first_sent();
  if (map_.on()) map_.begin(ledger_.totals.start_ns, state_.requests.last_arrival());
  serve();
  ledger_.check_little();
  if (meter_.on()) ledger_.check_memory(state_.pool.usable() * state_.cfg.block_size);
}

template <class Pool>
void Replica<Pool>::serve() {
  while (unfinished_ > 0 && ledger_.now() < feed_.horizon()) {
    poll();
    if (state_.num_running == 0 && state_.waiting.empty() && feed_.next_arrival() > ledger_.now()) {
      if (feed_.next_arrival() >= feed_.horizon()) return;
      idle_until(feed_.next_arrival());
    }
    add_arrivals();
    if (state_.num_running == 0 && state_.waiting.empty()) continue;  // aborted before
    if (leap_ && slowdown_ == 1 && (lazy_now_ || go_lazy())) {
      const bool none_enter = state_.waiting.empty() || blocked_;
      const bool regular = state_.cfg.prefill_interval == 1 || state_.waiting.empty();
      if (chunkers_.empty() && none_enter && regular && lazy_.count() > 0) {
        if (lazy_.step() > (std::int64_t{1} << 30)) {
          go_explicit();
          continue;
        }
        const std::int64_t before = ledger_.totals.steps;
        leap();
        if (ledger_.totals.steps > before) continue;
      }
      if (sparse_step()) continue;
      go_explicit();
    }
    step();
  }
}

template <class Pool>
void Replica<Pool>::abort(RequestId r) {
  if (state_.seqs[r].prompt == 0) {
    aborted_.push_back(r);
  } else {
    if (lazy_now_) go_explicit();
    state_.drop(r);
    std::erase_if(state_.running, [this](RequestId q) { return !state_.seqs[q].live; });
    blocked_ = false;
    --unfinished_;
  }
}

template <class Pool>
Terms Replica<Pool>::slowed(const Terms& terms) const {
  if (slowdown_ == 1) return terms;
  const auto times = [this](Ns x) {
    return round_half_even_checked(static_cast<double>(x) * slowdown_, "fleet.outages.slowdown");
  };
  return {times(terms.host_ns), times(terms.compute_ns), times(terms.hbm_ns), times(terms.comm_ns)};
}

template <class Pool>
void Replica<Pool>::step() {
  definition_.schedule();
  end_rejected();
  if (state_.plan.empty()) {
    if (!state_.rejected.empty()) return;
    if (state_.stalled) return wait_for_preemption();
    check_progress();
    return;
  }
  if (!state_.preempted.empty()) check_progress();
  const StepShape& shape = definition_.shape();
  Terms terms = slowed(std::visit([&shape](const auto& m) { return m.step(shape); }, model_));
  if (state_.cfg.draft_time != nullptr) {
    const Terms draft = slowed(draft_terms(state_, shape));
    ledger_.totals.draft_ns += draft.total();
    terms += draft;
  }
  state_.host.add_transfers(terms);
  if (recorder_.entries_on()) {
    for (const Entry& e : state_.plan) {
      const Seq& q = state_.seqs[e.id];
      if constexpr (Pool::has_ids) {
        recorder_.entry(e, state_.table(q) + e.blocks_before, q.blocks - e.blocks_before, 0);
      }
    }
  }
  record_step(shape, terms);
  count_step(shape, terms.total());
  const Ns began = ledger_.now();
  ledger_.end_step(terms);
  const std::int64_t completed = ledger_.totals.completed;
  std::int64_t i = 0;
  definition_.process(
      began, recorder_.entries_on(),
      [this, &i](const Entry&, std::int32_t made) {
        if (recorder_.entries_on()) recorder_.sampled(i++, made);
      },
      [this](RequestId r) { feed_.finished(r, ledger_.now()); });
  if (shape.sampled > 0) livelock_.progress();
  unfinished_ -= ledger_.totals.completed - completed;
  blocked_ = false;
  if (recorder_.steps_on()) recorder_.end_step(state_.pool.free());
}

template <class Pool>
void Replica<Pool>::count_step(const StepShape& shape, Ns dur) {
  RunTotals& t = ledger_.totals;
  ++t.steps;
  t.busy_ns += dur;
  t.scheduled_tokens += shape.tokens();
  t.entries += shape.decode_seqs + shape.chunks;
  use_links(shape.tokens(), dur);
  const auto waiting = static_cast<std::int64_t>(state_.waiting.size());
  const std::int64_t used = used_blocks();
  t.max_running = std::max(t.max_running, state_.num_running);
  t.max_waiting = std::max(t.max_waiting, waiting);
  t.max_used_blocks = std::max(t.max_used_blocks, used);
  t.waiting_integral += Int128{waiting} * dur;
  t.running_integral += Int128{state_.num_running} * dur;
  t.used_block_integral += Int128{used} * dur;
  if (meter_.on()) meter(ledger_.now(), dur, tokens_held());
}

// Tokens of all running requests at the end of the step that is counted.
template <class Pool>
std::int64_t Replica<Pool>::tokens_held() const {
  std::int64_t tokens = 0;
  if (!lazy_now_) {
    for (const RequestId r : state_.running)
      tokens += state_.seqs[r].live ? state_.seqs[r].computed : 0;
    return tokens;
  }
  tokens = lazy_.context();
  for (const OrderedId x : chunkers_) tokens += state_.seqs[id_of(x)].computed;
  for (const Entry& e : state_.plan) tokens += e.kind != 2 ? state_.seqs[e.id].computed : 0;
  return tokens;
}

// The next call may come at the same time: what they held is free.
template <class Pool>
void Replica<Pool>::end_rejected() {
  for (const RequestId r : state_.rejected) {
    feed_.finished(r, ledger_.now());
    --unfinished_;
    livelock_.progress();
  }
}

// Everybody waits for a block, and the budget of preemptions allows none yet.
template <class Pool>
void Replica<Pool>::wait_for_preemption() {
  const Ns until = std::min(state_.next_preemption_ns, feed_.next_time());
  const Ns dur = until - ledger_.now();
  RunTotals& t = ledger_.totals;
  t.waiting_integral += Int128{static_cast<std::int64_t>(state_.waiting.size())} * dur;
  t.running_integral += Int128{state_.num_running} * dur;
  t.used_block_integral += Int128{used_blocks()} * dur;
  if (meter_.on()) meter(ledger_.now(), dur, tokens_held());
  ledger_.end_step({.host_ns = dur});
}

template <class Pool>
void Replica<Pool>::record_step(const StepShape& shape, const Terms& terms) {
  if (!recorder_.steps_on()) return;
  recorder_.step(
      {ledger_.now(), terms, shape.decode_seqs + shape.chunks, shape.tokens(), shape.context(),
       state_.num_running, static_cast<std::int64_t>(state_.waiting.size()), state_.pool.free()},
      state_.preempted);
}

// An empty call that preempted nobody, or one that keeps preempting, may be for ever.
template <class Pool>
void Replica<Pool>::check_progress() {
  livelock_.check(feed_.exhausted());
}

template <class Pool>
void Replica<Pool>::poll() {
  if (++polls_ + ledger_.totals.steps < next_poll_) return;
  next_poll_ = polls_ + ledger_.totals.steps + 4096;
  control_.report(ledger_.totals.completed);
  control_.poll();
}

}  // namespace kvsim
