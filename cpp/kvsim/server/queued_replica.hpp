// A replica with batches in flight: vLLM's asynchronous scheduling and pipeline parallelism
// (engine core's step_with_batch_queue; rules in ASYNC_PP.md sections 2 and 6,
// docs/architecture.md).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kvsim/core/control.hpp"
#include "kvsim/scheduler/definition.hpp"
#include "kvsim/scheduler/lazy.hpp"
#include "kvsim/scheduler/livelock.hpp"
#include "kvsim/scheduler/state.hpp"
#include "kvsim/server/batch_queue.hpp"
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
        feed_(table, config.front_end),
        recorder_(record),
        livelock_(state_),
        model_(model),
        control_(control),
        queue_(config.batch_queue()),
        stage_free_(static_cast<std::size_t>(config.stages)),
        leap_(mode == Mode::leap && config.prefill_interval == 1 && table.stop_after.empty()),
        has_links_(bisection_ns(model, 1) > 0),
        alone_(config.stages == 1 && !recorder_.steps_on()) {
    state_.ledger = &ledger_;
    if (leap_) make_groups(longest_output(config, table));
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
    totals.used_block_integral += Int128{used_blocks()} * dt;
    ledger_.set_clock(t);
  }
  [[nodiscard]] std::int64_t used_blocks() const {
    return state_.pool.usable() - state_.pool.free();
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
      ran = call();
      block = !(queue_.size() < state_.cfg.batch_queue() && (ran || work()));
    }
    if (block) process();
    if (!ran && work()) advance_to(now() + state_.cfg.empty_sleep_ns);
  }

  // schedule() and the start of the batch's execution, also of an empty one, which returns false.
  bool call() {
    definition_.schedule();
    check_progress();
    const StepShape& shape = definition_.shape();
    Batch& batch = queue_.push();
    batch.entries.swap(state_.plan);
    batch.terms = terms_of(shape);
    batch.samples = shape.sampled > 0;
    execute(batch, now());
    record(batch, shape);
    count(batch, shape);
    for (const Entry& e : batch.entries) {
      if (e.kind != 2) ledger_.batch_began(e.id, batch.start, e.kind == 1);
    }
    return !batch.entries.empty();
  }
  [[nodiscard]] Terms terms_of(const StepShape& shape) const {
    if (shape.tokens() == 0) return {};
    return std::visit([&shape](const auto& m) { return m.step(shape); }, model_);
  }

  // Section 2, for the batch just pushed, scheduled at `t`: stages in order, each a part of the
  // duration that is equal but for rounding, floor(d (g+1) / P) - floor(d g / P). With asynchronous
  // scheduling the sampled tokens of batch k - P go back to the first stage before batch k starts.
  void execute(Batch& batch, Ns t) {
    const std::int64_t stages = state_.cfg.stages;
    Ns x = t;
    if (state_.cfg.async && queue_.size() > stages && queue_.front().samples) {
      x = std::max(x, queue_.front().end);
    }
    x = std::max(x, stage_free_[0]);
    batch.start = x;
    const Ns duration = batch.terms.total();
    if (stages == 1) {
      batch.stage_ns = duration;
      batch.end = stage_free_[0] = x + duration;
      return;
    }
    batch.stage_ns = duration / stages;
    const std::int64_t rest = duration % stages;
    std::int64_t carry = 0;
    for (Ns& free : stage_free_) {
      carry += rest;
      x = std::max(x, free) + batch.stage_ns;
      if (carry >= stages) {
        carry -= stages;
        ++x;
      }
      free = x;
    }
    batch.end = x;
  }

  void process() {
    Batch& batch = queue_.front();
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
    batch.entries.clear();
    queue_.pop();
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

  void record(Batch& batch, const StepShape& shape) {
    batch.row = recorder_.next_row();
    batch.first_entry = recorder_.next_entry();
    if (!recorder_.steps_on()) return;
    if constexpr (Pool::has_ids) {
      if (recorder_.entries_on()) {
        for (const Entry& e : batch.entries) {
          const Seq& q = state_.seqs[e.id];
          recorder_.entry(e, state_.table(q) + e.blocks_before, q.blocks - e.blocks_before, 0);
        }
      }
    }
    record_row(batch, shape, now());
  }
  void record_row(const Batch& batch, const StepShape& shape, Ns t) {
    recorder_.step(
        {t, batch.terms, shape.decode_seqs + shape.chunks, shape.tokens(), shape.context(),
         state_.num_running, static_cast<std::int64_t>(state_.waiting.size()), state_.pool.free()},
        state_.preempted);
    recorder_.batch(batch.start, batch.end, queue_.size());
  }

  void use_links(std::int64_t tokens, Ns duration) {
    if (has_links_) ledger_.used_bisection(bisection_ns(model_, tokens), duration);
  }

  void count(const Batch& batch, const StepShape& shape) {
    RunTotals& t = ledger_.totals;
    t.max_running = std::max(t.max_running, state_.num_running);
    t.max_waiting = std::max(t.max_waiting, static_cast<std::int64_t>(state_.waiting.size()));
    t.max_used_blocks = std::max(t.max_used_blocks, used_blocks());
    if (shape.tokens() == 0) return;
    ++t.steps;
    t.terms += batch.terms;
    t.busy_ns += batch.stage_ns;
    t.scheduled_tokens += shape.tokens();
    t.entries += shape.decode_seqs + shape.chunks;
    use_links(shape.tokens(), batch.terms.total());
  }

  void check_progress() {
    if (!state_.preempted.empty()) return livelock_.check(feed_.exhausted());
    if (!state_.plan.empty() || state_.num_running > 0 || state_.waiting.empty()) return;
    for (std::size_t i = 0; i < static_cast<std::size_t>(queue_.size()); ++i) {
      if (!queue_[i].entries.empty()) return;
    }
    livelock_.check(feed_.exhausted());
  }

  // ---- the lazy path: queued_lazy.hpp (into it and out of it), queued_leap.hpp (its rounds)

  // The requests that decode in the same batches: those of every P-th call. What has landed of the
  // group's batches is summed up here, for their waterfalls.
  struct Group {
    Group(SchedulerState<Pool>& state, std::int64_t span, std::int64_t lag)
        : lazy(state, span, lag) {}
    LazyDecodes<Pool> lazy;
    Terms sums;
    Ns bubble = 0;
    Ns end = 0;             // of the execution of the one that landed last
    Ns landed = 0;          // when its output was processed
    StepTimeDecode decode;  // for lazy.count() sequences
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
    std::int64_t last_token_at = never;  // lazy.next_finish()
    bool changed = true;                 // `decode` is to be found anew
    bool shortest = true;                // of steps of so many sequences the next one is
  };
  // What rounds in a row add to the totals.
  struct Sums {
    explicit Sums(ItlHistogram& itl) : gaps(itl) {}
    std::int64_t rounds = 0;
    std::int64_t tokens = 0;
    std::int64_t most_used = 0;
    Int128 used_integral = 0;
    Int128 running_integral = 0;
    ItlHistogram::Run gaps;
  };
  // Of a leap, with its clock.
  struct Leap : Sums {
    Leap(Ns clock, ItlHistogram& itl) : Sums(itl), began(clock), t(clock) {}
    Ns began;
    Ns t;
    Terms terms;
    Ns busy_ns = 0;
    std::int64_t steps = 0;
  };
  // Of a stretch of rounds on one stage.
  struct Stretch : Sums {
    using Sums::Sums;
    std::int64_t lazy_rounds = 0;  // decodes and nothing else
    std::int64_t entries = 0;
    std::int64_t most_waiting = 0;
    Int128 waiting_integral = 0;
  };
  // Rounds of decodes while decodes of the same requests are in flight.
  struct Further {
    Ns t = 0;               // when the last one landed
    std::int64_t used = 0;  // blocks
    std::int64_t bucket = 0;
    Ns hbm = 0;
    Int128 used_integral = 0;
  };
  void make_groups(std::int64_t longest);
  static std::int64_t longest_output(const SchedulerConfig& c, const RequestTable& t) {
    std::int64_t most = 1;
    for (const std::int32_t n : t.output_tokens) most = n > most ? n : most;
    return most < c.max_model_len ? most : c.max_model_len;
  }

  bool go_lazy();
  [[nodiscard]] bool can_go_lazy() const;
  void take_over(Batch& batch);
  void go_explicit();
  void hand_over(std::size_t i);
  void write_out(RequestId r, const Group& group);

  bool lazy_round();  // false: the round needs the definition; nothing was scheduled
  [[gnu::always_inline]] inline void enter(RequestId r, std::size_t group);
  void enter_from_flight();
  // With chunks of requests in the lazy path an entry tells it: known tokens stay as they were.
  static bool first_of(const Entry& e, const Seq& q) { return e.computed + e.tokens == q.prompt; }
  static bool last_of(const Entry& e, const Seq& q) { return e.computed + e.tokens + 1 >= q.limit; }
  [[nodiscard]] bool none_enters() const {
    return chunkers_.empty() && (state_.waiting.empty() || blocked_);
  }
  bool schedule_lazily();
  [[nodiscard]] bool may_decode(const LazyDecodes<Pool>& lazy) const;
  [[nodiscard]] bool lazy_allowed() const;
  [[nodiscard]] bool waits(RequestId r) const {
    return state_.flights[r].not_before > definition_.calls() + 1;
  }
  [[nodiscard]] std::int64_t chunk_tokens(const Seq& q, std::int64_t budget) const;
  std::int64_t run_lazy_and_chunks();
  StepShape shape_lazily();
  void launch();
  void launch_plan(Batch& batch);
  void land();
  void land_others(Batch& batch);
  [[gnu::always_inline]] inline bool land_first(Batch& batch, const Entry& e, const Group& group);
  void land_chunk(Batch& batch, const Entry& e, const Group& group);
  void end_round(bool ran);
  bool leap();
  template <class Model>
  bool leap_with(const Model& model);
  template <class Model>
  void look_ahead(Group& group, const Model& model);
  template <class Model>
  bool leap_round(const Model& model, Leap& leap);
  [[nodiscard]] bool may_leap(const LazyDecodes<Pool>& lazy) const;
  void pass(Leap& leap, Ns until);
  void book_sums(const Sums& sums);
  void book(const Leap& leap);
  template <class Decode>
  void launch_decodes(Batch& batch, Group& group, const Decode* decode, Ns t);
  void allocate(LazyDecodes<Pool>& lazy);
  void collect_leaving(Batch& batch, Group& group);
  template <class Histogram>
  [[gnu::always_inline]] inline void land_decodes(const Batch& batch, Ns t, Histogram& gaps);
  void record_lazy(Batch& batch, const StepShape& shape, Ns t);

  // ---- the same on one stage: queued_alone.hpp
  bool alone();
  template <class Model>
  bool alone_with(const Model& model);
  template <class Model>
  [[gnu::always_inline]] inline const typename Model::Decode& decode_of(const Model& model,
                                                                        std::int64_t n);
  template <class Model>
  bool alone_chunks(const Model& model, Stretch& s);
  template <class Model>
  bool alone_decodes(const Model& model, Stretch& s);
  template <class Decode>
  void alone_further(const Decode& decode, std::int64_t rounds, Stretch& s);
  template <std::size_t size>
  [[gnu::always_inline]] inline bool alone_whole_block(const std::array<Ns, size>& landed,
                                                       const Ns* hbm, Further& f);
  template <std::size_t size>
  [[gnu::always_inline]] inline std::size_t alone_block(const std::array<Ns, size>& landed,
                                                        const Ns* hbm, std::size_t most,
                                                        Further& f);
  void land_further(const Further& f, std::int64_t done, const Terms& terms, Stretch& s);
  [[gnu::always_inline]] inline void relay(const Terms& terms, Stretch& s);
  void book(const Stretch& s, const Terms& launched);

  void poll() {
    if (++polls_ + ledger_.totals.steps < next_poll_) return;
    next_poll_ = polls_ + ledger_.totals.steps + 4096;
    control_.report(ledger_.totals.completed);
    control_.poll();
  }

  Ledger ledger_;
  SchedulerState<Pool> state_;
  Definition<Pool, true> definition_;
  ArrivalFeed feed_;
  StepRecorder recorder_;
  LivelockWatch<Pool> livelock_;
  const StepTimeModel& model_;
  Control control_;
  BatchQueue queue_;
  std::vector<Ns> stage_free_;
  std::int64_t unfinished_ = 0;
  std::int64_t polls_ = 0;
  std::int64_t next_poll_ = 0;
  bool flush_ = false;  // a request finished since the last call

  bool leap_;
  bool has_links_;  // the step-time model knows how much of them a step uses
  bool alone_;      // one stage, no records of steps: queued_alone.hpp
  bool lazy_now_ = false;
  bool blocked_ = false;       // the head of the queue cannot be admitted for now
  bool lacks_budget_ = false;  // and that for want of budget, which comes back with a last launch
  std::vector<Group> groups_;  // one a stage
  std::size_t turn_ = 0;       // whose decodes the next call schedules
  std::vector<OrderedId> chunkers_;  // running requests with known tokens left to compute
  std::vector<OrderedId> merged_;
  static constexpr std::int64_t decodes_kept = 257;
  std::vector<StepTimeDecode> decodes_;  // by the number of decodes: decode_of()
};

}  // namespace kvsim
