// Request-level batching, the way before Orca (FasterTransformer behind a batching front end): the
// engine takes a batch of waiting requests, computes their prompts, then decodes for all of them
// until the longest output is done, and answers all at once. Whoever is done earlier is decoded on
// (at its last context) and keeps its memory. Prompts are not padded to one length.
//
// Memory is reserved when a batch is formed: contiguous pieces by the allocator's reservation, or
// pages for the true length.
#pragma once

#include <algorithm>
#include <cstdint>
#include <variant>
#include <vector>

#include "kvsim/core/control.hpp"
#include "kvsim/core/sort.hpp"
#include "kvsim/scheduler/state.hpp"
#include "kvsim/server/ledger.hpp"
#include "kvsim/server/memory_map.hpp"
#include "kvsim/server/step_recorder.hpp"
#include "kvsim/step_time/models.hpp"
#include "kvsim/workload/arrival_feed.hpp"

namespace kvsim {

template <class Pool>
class StaticReplica {
 public:
  StaticReplica(const SchedulerConfig& config, const StepTimeModel& model,
                const RequestTable& table, Mode /*both are one here*/, Record record,
                bool waterfall, Control control)
      : cfg_(config),
        requests_(table),
        ledger_(table, waterfall),
        feed_(table, config.front_end),
        recorder_(record),
        pool_(config.num_gpu_blocks, config.block_size),
        waiting_(config.priority),
        held_(cfg_, pool_, table),
        map_(held_, none_lazy),
        model_(model),
        control_(control) {
    if constexpr (Pool::has_regions) pool_.use_placement(config.contiguous->placement);
  }

  void run() {
    if (!feed_.exhausted()) ledger_.totals.start_ns = feed_.first_sent();
    if (map_.on()) map_.begin(ledger_.totals.start_ns, requests_.last_arrival());
    while (ledger_.totals.completed < requests_.size()) {
      gather();
      form_batch();
      prefill();
      decode();
      answer();
    }
    ledger_.check_little();
    if (cfg_.record_memory != RecordMemory::none) {
      ledger_.check_memory(pool_.usable() * cfg_.block_size);
    }
  }

  Ledger& ledger() { return ledger_; }
  StepRecorder& recorder() { return recorder_; }
  HeatmapColumns& heatmap() { return map_.columns; }

 private:
  struct Member {
    RequestId id;
    std::int32_t prompt;
    std::int32_t outputs;
    std::int32_t computed = 0;  // of the prompt
  };

  // What the memory's picture is made of.
  struct Progress {
    std::int32_t computed = 0;
    static constexpr bool lazy = false;
  };
  struct NoneLazy {
    static std::int64_t computed(const Progress& /*unused*/) { return 0; }
  };
  static constexpr NoneLazy none_lazy{};
  struct Held {
    Held(const SchedulerConfig& config, const Pool& memory, const RequestTable& table)
        : cfg(config), pool(memory) {
      if (config.record_memory != RecordMemory::heatmap) return;
      seqs.resize(static_cast<std::size_t>(table.size()));
    }
    const SchedulerConfig& cfg;
    const Pool& pool;
    MemoryRows rows;
    std::vector<Progress> seqs;
  };

  [[nodiscard]] std::int32_t outputs_of(RequestId r) const {
    std::int64_t outputs = requests_.output_tokens[r];
    if (!requests_.stop_after.empty() && requests_.stop_after[r] > 0) {
      outputs = std::min<std::int64_t>(outputs, requests_.stop_after[r]);
    }
    return static_cast<std::int32_t>(
        std::min<std::int64_t>(outputs, cfg_.max_model_len - requests_.prompt_tokens[r]));
  }

  void add_arrivals() {
    while (feed_.next_time() <= ledger_.now()) {
      const Ns reached = feed_.next_time();
      const RequestId r = feed_.pop();
      const Ns at = feed_.sent(r, reached);
      ledger_.arrived(r, at);
      ledger_.totals.waiting_integral += ledger_.now() - at;
      const std::int32_t priority = requests_.priority.empty() ? 0 : requests_.priority[r];
      waiting_.push({priority, r, cfg_.priority ? at : 0});
    }
  }
  // The engine is idle until then.
  void idle_until(Ns t) {
    const Ns began = std::max(ledger_.now(), ledger_.totals.start_ns);
    if (t <= ledger_.now()) return;
    const auto waiting = static_cast<std::int64_t>(waiting_.size());
    ledger_.totals.waiting_integral += Int128{waiting} * (t - ledger_.now());
    if (t > began) meter(began, t - began);
    ledger_.set_clock(t);
  }

  // Waits for the first request, and then for others until the batch is full, the window over or
  // nobody left to come.
  void gather() {
    add_arrivals();
    if (waiting_.empty()) {
      idle_until(feed_.next_time());
      add_arrivals();
    }
    const Ns window = cfg_.static_window_ns.value_or(0);
    const Ns end = waiting_since() + window;
    while (static_cast<std::int64_t>(waiting_.size()) < cfg_.active && !feed_.exhausted() &&
           ledger_.now() < end) {
      idle_until(std::min(end, feed_.next_time()));
      add_arrivals();
    }
  }
  // When the longest waiting request reached the engine.
  [[nodiscard]] Ns waiting_since() const {
    Ns first = ledger_.now();
    waiting_.for_each([&](RequestId r) {
      first =
          std::min(first, ledger_.arrival_ns(r) + cfg_.front_end.delay(requests_.prompt_tokens[r]));
    });
    return first;
  }

  bool place(RequestId r, std::int32_t prompt, std::int32_t outputs) {
    const std::int64_t needed = std::int64_t{prompt} + outputs - 1;
    if constexpr (Pool::has_regions) {
      const std::int64_t slots = cfg_.contiguous->slots(prompt, needed, cfg_.max_model_len);
      if (!pool_.place(r, slots, needed)) return false;
      if (map_.on()) held_.rows.placed(pool_.regions().back());
      return true;
    } else {
      const std::int64_t blocks = ceil_div(needed, cfg_.block_size);
      const std::int64_t free = pool_.free();
      if (blocks > free) return false;
      pool_.take(blocks);
      if (map_.on()) {
        held_.rows.took_counted(free, free - blocks, [&](std::int64_t entry) {
          return MemoryRows::Holding{r, static_cast<std::int32_t>(entry),
                                     static_cast<std::int32_t>(blocks)};
        });
      }
      page_slots_ += blocks * cfg_.block_size;
      needed_slots_ += needed;
      return true;
    }
  }

  void form_batch() {
    batch_.clear();
    no_room_ = false;
    while (!waiting_.empty() && static_cast<std::int64_t>(batch_.size()) < cfg_.active) {
      const RequestId r = waiting_.head();
      const std::int32_t prompt = requests_.prompt_tokens[r];
      const std::int32_t outputs = outputs_of(r);
      no_room_ = !place(r, prompt, outputs);
      if (no_room_) break;
      waiting_.pop();
      batch_.push_back({r, prompt, outputs});
      ledger_.admitted(r, 0, prompt, false);
    }
    if (batch_.empty()) fail(ErrorKind::invariant, "a batch without requests");
    ledger_.totals.max_running =
        std::max(ledger_.totals.max_running, static_cast<std::int64_t>(batch_.size()));
    ledger_.totals.max_used_blocks = std::max(ledger_.totals.max_used_blocks, used_blocks());
  }

  // Prompts in order, in steps of the token budget.
  void prefill() {
    std::size_t first = 0;
    while (first < batch_.size()) {
      StepShape shape;
      std::int64_t left = cfg_.budget;
      for (std::size_t i = first; i < batch_.size() && left > 0; ++i) {
        Member& m = batch_[i];
        const auto n =
            static_cast<std::int32_t>(std::min<std::int64_t>(left, m.prompt - m.computed));
        if (!cfg_.chunked_prefill && n < m.prompt) break;
        shape.add_chunk(n, m.computed);
        shape.add_prompt(m.computed, m.computed + n, m.prompt);
        m.computed += n;
        left -= n;
        if (m.computed < m.prompt) break;
        ++shape.sampled;
        ++first;
      }
      tokens_ += shape.tokens();
      step(std::visit([&shape](const auto& m) { return m.step(shape); }, model_), shape.chunks,
           shape.tokens(), shape.context());
    }
  }

  // Steps of all members; the context of one that is done stands still.
  void decode() {
    std::vector<std::int32_t> ends;
    std::int64_t context = 0;
    for (const Member& m : batch_) {
      ends.push_back(m.outputs - 1);
      context += m.prompt;
    }
    compact_sort(ends);
    std::visit([&](const auto& model) { decode_with(model, ends, context); }, model_);
  }
  template <class Model>
  void decode_with(const Model& model, const std::vector<std::int32_t>& ends,
                   std::int64_t context) {
    const auto n = static_cast<std::int64_t>(ends.size());
    const auto terms_of = model.decode(n);
    std::size_t done = 0;  // members whose last token has come
    for (std::int32_t made = 0; made < ends.back(); ++made) {
      decodes_ = made + 1;
      while (ends[done] <= made) ++done;
      const auto active = n - static_cast<std::int64_t>(done);
      context += active;
      tokens_ += active;
      step(terms_of(context), n, n, context);
    }
  }

  void step(const Terms& terms, std::int64_t scheduled, std::int64_t tokens, std::int64_t context) {
    if ((++polls_ & 1023) == 0) control_.poll();
    RunTotals& t = ledger_.totals;
    const Ns dur = terms.total();
    const auto waiting = static_cast<std::int64_t>(waiting_.size());
    const auto running = static_cast<std::int64_t>(batch_.size());
    ++t.steps;
    t.busy_ns += dur;
    t.scheduled_tokens += tokens;
    t.entries += scheduled;
    t.max_waiting = std::max(t.max_waiting, waiting);
    t.waiting_integral += Int128{waiting} * dur;
    t.running_integral += Int128{running} * dur;
    t.used_block_integral += Int128{used_blocks()} * dur;
    meter(ledger_.now(), dur);
    if (recorder_.steps_on()) {
      recorder_.step(
          {ledger_.now(), terms, scheduled, tokens, context, running, waiting, pool_.free()}, {});
      recorder_.end_step(pool_.free());
    }
    ledger_.end_step(terms);
    add_arrivals();
  }

  // All outputs appear together: a request's first token is its last.
  void answer() {
    for (const Member& m : batch_) {
      ledger_.sampled_alone(m.id, true);
      if (m.outputs > 1) ledger_.itl().add(0, static_cast<std::uint64_t>(m.outputs - 1));
      ledger_.finished(m.id, m.outputs);
      feed_.finished(m.id, ledger_.now());
      if constexpr (Pool::has_regions) {
        if (map_.on()) held_.rows.left(m.id);
        pool_.release(m.id);
      } else {
        if (map_.on()) held_.rows.gave(m.id, pool_.free(), 0, true);
        pool_.give(ceil_div(std::int64_t{m.prompt} + m.outputs - 1, cfg_.block_size));
      }
    }
    tokens_ = page_slots_ = needed_slots_ = decodes_ = 0;
    batch_.clear();
  }

  [[nodiscard]] std::int64_t used_blocks() const { return pool_.usable() - pool_.free(); }

  // Books of the memory: it is in this state from `began` on.
  void meter(Ns began, Ns dur) {
    if (cfg_.record_memory == RecordMemory::none) return;
    MemorySlots c;
    std::int64_t held = page_slots_;
    std::int64_t needed = needed_slots_;
    const std::int64_t slots = pool_.usable() * cfg_.block_size;
    std::int64_t free = slots - held;
    if constexpr (Pool::has_regions) {
      held = pool_.reserved_slots();
      needed = pool_.needed_slots();
      free = pool_.free_slots();
      c.rounding = slots - free - held;
    }
    c.tokens = tokens_;
    c.reserved = needed - tokens_;
    c.internal = held - needed;
    (no_room_ && !batch_.empty() && !waiting_.empty() ? c.external : c.free) = free;
    ledger_.totals.memory.add(c, dur);
    if (!map_.due(began + dur)) return;
    for (const Member& m : batch_) {
      held_.seqs[m.id].computed = m.computed + std::min(decodes_, m.outputs - 1);
    }
    map_.sample(began + dur, c, ledger_.totals);
  }

  SchedulerConfig cfg_;
  const RequestTable& requests_;
  Ledger ledger_;
  ArrivalFeed feed_;
  StepRecorder recorder_;
  Pool pool_;
  WaitingQueue waiting_;
  Held held_;
  MemoryMap<Pool, Held, NoneLazy> map_;
  const StepTimeModel& model_;
  Control control_;
  std::vector<Member> batch_;
  bool no_room_ = false;      // the batch ended at a request that did not fit
  std::int32_t decodes_ = 0;  // steps of the batch behind its prompts
  std::int64_t tokens_ = 0;   // computed, of the batch
  std::int64_t page_slots_ = 0;
  std::int64_t needed_slots_ = 0;
  std::int64_t polls_ = 0;
};

}  // namespace kvsim
