// A replica with batches in flight: vLLM's asynchronous scheduling and pipeline parallelism
// (engine core's step_with_batch_queue; rules in ASYNC_PP.md sections 2 and 6,
// docs/architecture.md).
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "kvsim/core/control.hpp"
#include "kvsim/scheduler/definition.hpp"
#include "kvsim/scheduler/lazy.hpp"
#include "kvsim/scheduler/livelock.hpp"
#include "kvsim/scheduler/state.hpp"
#include "kvsim/server/ledger.hpp"
#include "kvsim/server/step_recorder.hpp"
#include "kvsim/step_time/models.hpp"
#include "kvsim/workload/arrival_feed.hpp"

namespace kvsim {

template <class Pool>
class QueuedReplica {
 public:
  QueuedReplica(const SchedulerConfig& config, const StepTimeModel& model,
                const RequestTable& table, Mode mode, Record record, bool waterfall,
                Control control, std::int64_t /*longest_output*/ = 1)
      : ledger_(table, waterfall, true, control),
        state_(config, table),
        definition_(state_),
        lazy_(state_, config.max_model_len, 1),
        feed_(table, config.front_end),
        recorder_(record),
        livelock_(state_),
        model_(model),
        control_(control),
        stage_free_(static_cast<std::size_t>(config.stages)),
        leap_(mode == Mode::leap && config.async && config.stages == 1 &&
              config.prefill_interval == 1 && table.stop_after.empty()) {
    state_.ledger = &ledger_;
  }

  void run() {
    unfinished_ = state_.requests.size();
    if (!feed_.exhausted()) ledger_.totals.start_ns = feed_.first_sent();
    serve();
    ledger_.check_little();
  }

  // In a fleet: as Replica has it.
  void open(ArrivalFeed::Finishes* finished, bool stop_at_finish) {
    feed_.open(finished, stop_at_finish);
  }
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
  [[nodiscard]] Ns next_call() const {
    if (lazy_now_ || work() || !queue_.empty()) return now();
    return std::max(now(), feed_.next_arrival());
  }
  void check_little() const { ledger_.check_little(); }
  static constexpr bool can_abort = false;

  Ledger& ledger() { return ledger_; }
  StepRecorder& recorder() { return recorder_; }

 private:
  void serve() {
    while (now() < feed_.horizon()) {
      poll();
      if (leap_ && (lazy_now_ || go_lazy())) {
        if (lazy_round()) continue;
      }
      if (!work() && queue_.empty()) {
        if (unfinished_ == 0 || feed_.next_arrival() >= feed_.horizon()) return;
        advance_to(feed_.next_arrival());
      }
      round();
    }
  }

  struct Batch {
    std::vector<Entry> entries;
    Terms terms;
    Ns start = 0;
    Ns end = 0;
    bool samples = false;
    std::size_t row = 0;          // in the recorder
    std::size_t first_entry = 0;  // in the recorder
  };

  [[nodiscard]] bool work() const {
    return flush_ || state_.num_running > 0 || !state_.waiting.empty();
  }
  [[nodiscard]] Ns now() const { return ledger_.now(); }

  void advance_to(Ns t) {
    if (t <= now()) return;
    const Ns dt = t - now();
    RunTotals& totals = ledger_.totals;
    totals.waiting_integral += Int128{static_cast<std::int64_t>(state_.waiting.size())} * dt;
    totals.running_integral += Int128{state_.num_running} * dt;
    totals.used_block_integral += Int128{state_.pool.usable() - state_.pool.free()} * dt;
    ledger_.set_clock(t);
  }

  void add_arrivals() {
    while (feed_.next_arrival() <= now()) {
      const Ns reached = feed_.next_arrival();
      const RequestId r = feed_.pop();
      const Ns at = feed_.sent(r, reached);
      ledger_.arrived(r, at);
      ledger_.totals.waiting_integral += now() - at;
      state_.add(r);
      // First come, first served: who joins a queue with a blocked head changes nothing.
      if (state_.cfg.priority || state_.cfg.threshold > 0) blocked_ = false;
    }
  }

  // One round of the engine loop.
  void round() {
    add_arrivals();
    bool ran = false;
    bool block = true;
    if (work()) {
      flush_ = false;
      call();
      ran = !queue_.back().entries.empty();
      block =
          !(static_cast<std::int64_t>(queue_.size()) < state_.cfg.batch_queue() && (ran || work()));
    }
    if (block) process();
    if (!ran && work()) advance_to(now() + state_.cfg.empty_sleep_ns);
  }

  // schedule() and the start of the batch's execution, also of an empty one.
  void call() {
    definition_.schedule();
    check_progress();
    const StepShape& shape = definition_.shape();
    Batch batch;
    batch.entries = state_.plan;
    if (!batch.entries.empty()) {
      batch.terms = std::visit([&shape](const auto& m) { return m.step(shape); }, model_);
    }
    batch.samples = shape.sampled > 0;
    batch.row = recorder_.next_row();
    batch.first_entry = recorder_.next_entry();
    execute(batch);
    record(batch, shape);
    count(batch, shape);
    for (const Entry& e : batch.entries) {
      if (e.kind != 2) ledger_.batch_began(e.id, batch.start, e.kind == 1);
    }
    queue_.push_back(std::move(batch));
  }

  // Section 2: stages in order; with asynchronous scheduling the sampled tokens of batch k - P go
  // back to the first stage before batch k starts.
  void execute(Batch& batch) {
    const std::int64_t stages = state_.cfg.stages;
    Ns x = now();
    if (state_.cfg.async && static_cast<std::int64_t>(recent_.size()) == stages) {
      if (recent_.front().second) x = std::max(x, recent_.front().first);
      recent_.pop_front();
    }
    batch.start = std::max(x, stage_free_[0]);
    x = batch.start;
    const Ns duration = batch.terms.total();
    for (std::int64_t g = 0; g < stages; ++g) {
      Ns& free = stage_free_[static_cast<std::size_t>(g)];
      const auto upto = [&](std::int64_t n) {
        return static_cast<Ns>(Int128{duration} * n / stages);
      };
      x = std::max(x, free) + upto(g + 1) - upto(g);
      free = x;
    }
    batch.end = x;
    if (state_.cfg.async) recent_.emplace_back(batch.end, batch.samples);
  }

  void process() {
    Batch batch = std::move(queue_.front());
    queue_.pop_front();
    advance_to(batch.end);
    std::size_t i = batch.first_entry;
    definition_.process_queued(
        batch.entries,
        [this, &batch, &i](const Entry& e, char fate) { sampled(batch, e, fate, i++); },
        [this](RequestId r) {
          feed_.finished(r, now());
          --unfinished_;
          flush_ = true;
        });
    if (recorder_.steps_on()) recorder_.processed(batch.row, now(), state_.pool.free());
  }

  // Called before the entry's token is appended.
  void sampled(const Batch& batch, const Entry& e, char fate, std::size_t i) {
    if (recorder_.entries_on()) recorder_.fate(i, fate, e.samples);
    const Seq& q = state_.seqs[e.id];
    if (q.done) return;
    ledger_.batch_ended(e.id, batch.start, batch.end, batch.terms, e.samples);
    if (!e.samples) return;
    ledger_.sampled_in_batch(e.id, q.known == q.prompt);
    livelock_.progress();
  }

  void record(const Batch& batch, const StepShape& shape) {
    if (!recorder_.steps_on()) return;
    if constexpr (Pool::has_ids) {
      if (recorder_.entries_on()) {
        for (const Entry& e : batch.entries) {
          const Seq& q = state_.seqs[e.id];
          recorder_.entry(e, state_.table(q) + e.blocks_before, q.blocks - e.blocks_before, 0);
        }
      }
    }
    recorder_.step(
        {now(), batch.terms, shape.decode_seqs + shape.chunks, shape.tokens(), shape.context(),
         state_.num_running, static_cast<std::int64_t>(state_.waiting.size()), state_.pool.free()},
        state_.preempted);
    recorder_.batch(batch.start, batch.end, static_cast<std::int64_t>(queue_.size()) + 1);
  }

  void count(const Batch& batch, const StepShape& shape) {
    RunTotals& t = ledger_.totals;
    t.max_running = std::max(t.max_running, state_.num_running);
    t.max_waiting = std::max(t.max_waiting, static_cast<std::int64_t>(state_.waiting.size()));
    t.max_used_blocks = std::max(t.max_used_blocks, state_.pool.usable() - state_.pool.free());
    if (shape.tokens() == 0) return;
    ++t.steps;
    t.terms += batch.terms;
    t.busy_ns += batch.terms.total() / state_.cfg.stages;
    t.scheduled_tokens += shape.tokens();
    t.entries += shape.decode_seqs + shape.chunks;
  }

  void check_progress() {
    if (!state_.preempted.empty()) return livelock_.check(feed_.exhausted());
    if (!state_.plan.empty() || state_.num_running > 0 || state_.waiting.empty()) return;
    for (const Batch& b : queue_) {
      if (!b.entries.empty()) return;
    }
    livelock_.check(feed_.exhausted());
  }

  // The lazy path, for asynchronous scheduling on one stage: queued_leap.hpp.
  bool go_lazy();
  void go_explicit();
  bool lazy_round();  // false: the round needs the definition; nothing was scheduled
  void enter_from_flight();
  [[nodiscard]] bool lazy_allowed() const;
  [[nodiscard]] std::int64_t chunk_tokens(const Seq& q, std::int64_t budget) const;
  std::int64_t run_lazy_and_chunks();
  void launch(std::int64_t left);
  void land();
  void leap();
  template <class Model>
  void leap_with(const Model& model);
  void record_lazy(const Batch& batch, const StepShape& shape);
  void record_leap(Ns t, Ns end, const Terms& terms, std::int64_t n);

  void poll() {
    if (++polls_ + ledger_.totals.steps < next_poll_) return;
    next_poll_ = polls_ + ledger_.totals.steps + 4096;
    control_.report(ledger_.totals.completed);
    control_.poll();
  }

  Ledger ledger_;
  SchedulerState<Pool> state_;
  Definition<Pool, true> definition_;
  LazyDecodes<Pool> lazy_;
  ArrivalFeed feed_;
  StepRecorder recorder_;
  LivelockWatch<Pool> livelock_;
  const StepTimeModel& model_;
  Control control_;
  std::deque<Batch> queue_;
  std::deque<std::pair<Ns, bool>> recent_;  // (end, samples) of the last `stages` batches
  std::vector<Ns> stage_free_;
  std::int64_t unfinished_ = 0;
  std::int64_t polls_ = 0;
  std::int64_t next_poll_ = 0;
  bool flush_ = false;  // a request finished since the last call

  // An entry of the batch in flight that the lazy path handles by itself: a chunk, or a decode
  // after an irregular gap.
  struct Chunk {
    Entry entry;
    bool first;  // samples the request's first token
    bool last;   // samples its last one
  };
  bool leap_;
  bool lazy_now_ = false;
  bool blocked_ = false;             // the head of the queue cannot be admitted for now
  Batch flying_;                     // the one batch in flight, its entries in the next three
  std::int64_t flying_decodes_ = 0;  // lazy requests, those that are leaving included
  std::vector<Chunk> flying_chunks_;
  std::vector<OrderedId> leaving_;  // their last token is in flight: no longer lazy
  Batch landing_;                   // the one before, its output being processed
  std::int64_t landing_decodes_ = 0;
  std::vector<Chunk> landing_chunks_;
  std::vector<OrderedId> landing_leaving_;
  std::vector<OrderedId> chunkers_;  // running requests with known tokens left to compute
  std::vector<OrderedId> merged_;
};

}  // namespace kvsim
