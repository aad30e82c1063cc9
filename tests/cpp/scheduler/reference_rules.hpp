// vLLM's scheduler once more: written from its rules alone, section by section, in plain
// containers, with none of the engine's code and without regard for speed. Sections of the rules
// for batches in flight (asynchronous scheduling, pipelines) are cited as Q5.1 and so on; with one
// batch at a time they change nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <utility>
#include <vector>

#include "kv/reference_pool.hpp"
#include "kvsim/scheduler/spec_law.hpp"
#include "server/replica_run.hpp"

namespace kvsim_test {

inline std::int64_t cd(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

struct ReferenceRequest {
  std::int64_t prompt = 0, T = 0, C = 0, max_tokens = 0, stop_after = 0, priority = 0;
  kvsim::Ns arrival = -1;
  std::int64_t drafts = 0;
  std::vector<std::int64_t> table = {};
  std::int64_t ncached = 0, npre = 0, first_hit = 0;
  bool chunking = false;
  bool finished = false;
  kvsim::Ns first_token = 0, finish = 0;
  std::int64_t U = 0, F = 0, S = 0, E = 0;  // Q3
};

class ReferenceRules {
 public:
  using Id = std::int64_t;
  using Ns = kvsim::Ns;

  struct Planned {
    Id id;
    std::int64_t computed, n, drafts;
    std::uint8_t kind;  // as in kvsim::EntryColumns
    bool padding;
    std::size_t old_blocks;
    bool samples = false;
    std::int64_t made = 0;  // tokens that the model returned
    char fate = '-';
  };
  struct Victim {
    Id id;
    std::int64_t computed, in_flight;
  };

  explicit ReferenceRules(const ReplicaCase& c)
      : c_(c),
        bs(c.engine.block_size),
        L(*c.engine.max_model_len),
        BUDGET(c.engine.max_num_batched_tokens),
        ACTIVE(c.engine.max_num_active_seqs.value_or(c.engine.max_num_seqs)),
        WM(static_cast<std::int64_t>(c.engine.watermark *
                                     static_cast<double>(*c.engine.num_gpu_blocks))),
        k(c.engine.spec_method ? c.engine.num_spec_tokens : 0),
        LOOK(c.engine.spec_method == kvsim::SpecMethod::draft_model ? k : 0),
        D(c.engine.spec_method == kvsim::SpecMethod::draft_model ? 1 : 0),
        PI(c.engine.prefill_schedule_interval),
        P(c.pipeline_parallel_size),
        async(c.engine.async_scheduling),
        caching(c.engine.enable_prefix_caching),
        by_priority(c.engine.scheduling_policy == kvsim::SchedulingPolicy::priority),
        pool(*c.engine.num_gpu_blocks),
        last(-PI) {
    const kvsim::RequestTable& t = c.requests;
    for (Id i = 0; i < t.size(); ++i) {
      ReferenceRequest r;
      r.prompt = r.T = t.prompt_tokens[at(i)];
      r.max_tokens = t.output_tokens[at(i)];
      r.priority = t.priority[at(i)];
      if (!t.stop_after.empty()) r.stop_after = t.stop_after[at(i)];
      requests.push_back(r);
    }
  }

  // Section 2: a new request, or one that was preempted.
  void enqueue(Id id, bool was_preempted = false) {
    if (by_priority) {
      heap.insert({{requests[at(id)].priority, requests[at(id)].arrival}, id});
    } else if (was_preempted) {
      queue.push_front(id);
    } else {
      queue.push_back(id);
    }
  }
  [[nodiscard]] std::int64_t num_waiting() const {
    return static_cast<std::int64_t>(queue.size() + heap.size());
  }
  [[nodiscard]] std::int64_t num_running() const {
    return static_cast<std::int64_t>(running.size());
  }

  // ---- section 3 ----

  void schedule() {
    calls += 1;
    plan.clear();
    preempted.clear();
    B = I = BUDGET;
    carried = admitted_prefill = false;
    const std::int64_t elig = num_running() + num_waiting();
    thr = elig > 1 ? c_.engine.long_prefill_token_threshold : 0;
    if (thr > 0 && c_.engine.long_prefill_token_threshold_adaptive) {
      thr = std::max(thr, BUDGET / elig);
    }
    bool decodes = false;
    for (const Id id : running) decodes = decodes || !requests[at(id)].chunking;
    const bool defer = PI > 1 && !bound && executed + 1 - last < PI && decodes;

    running_loop(defer);
    if (preempted.empty()) {
      std::vector<Id> skipped;
      waiting_loop(defer, skipped);
      // Q5.3: back to the front in their order.
      for (auto id = skipped.rbegin(); id != skipped.rend(); ++id) enqueue(*id, true);
      if (!defer) bound = num_waiting() > static_cast<std::int64_t>(passed_over.size());
    }
    // 3.3 and Q5.4.
    for (Planned& e : plan) {
      ReferenceRequest& r = requests[at(e.id)];
      r.C += e.n;
      r.F += e.n;
      r.chunking = r.C < r.T + r.U;
      e.samples = !r.chunking;
      if (async && e.samples) {
        r.U += 1;
        r.E = calls + P;
      }
    }
    if (!plan.empty()) {
      executed += 1;
      if (carried || admitted_prefill) last = executed;
    }
  }

  // ---- section 7 and Q6: the output of a batch. Who finished is in `stopped`. ----

  void process(std::vector<Planned>& batch, Ns now) {
    stopped.clear();
    std::vector<Id> sampled;
    for (Planned& e : batch) {
      ReferenceRequest& r = requests[at(e.id)];
      e.fate = e.samples ? 'k' : '-';
      e.made = e.samples ? 1 : 0;
      if (r.finished) {
        if (e.samples) e.fate = 'd';
        continue;
      }
      r.F -= e.n;
      const bool stale = r.S > 0;
      if (stale) r.S -= e.n;
      if (!e.samples) continue;
      if (stale) e.fate = 's';
      const bool seen = !stale && r.U > 0;
      if (seen) r.U -= 1;

      const std::int64_t before = r.T - r.prompt;
      const std::int64_t accepted =
          e.padding || k == 0 ? 0 : std::min(e.drafts, draw(kvsim::salt_accept, e.id, before));
      e.made = accepted + 1;
      r.C -= e.drafts - accepted;
      std::int64_t kept = 0;
      bool stop = false;
      while (kept < e.made && !stop) {
        r.T += 1;
        kept += 1;
        const std::int64_t outputs = r.T - r.prompt;
        stop = r.T >= L || outputs >= r.max_tokens || outputs == r.stop_after;
      }
      if (k > 0) r.C -= e.made - kept;
      if (before == 0) r.first_token = now;
      if (k > 0) publish(r, e.id, r.C);
      if (seen) publish(r, e.id, r.C - r.F);
      if (!stop) {
        sampled.push_back(e.id);
        continue;
      }
      pool.free_table(r.table);
      r.table.clear();
      r.finished = true;
      r.finish = now;
      stopped.push_back(e.id);
    }
    for (const Id id : stopped) {
      std::erase(running, id);
      std::erase(queue, id);
      std::erase_if(heap, [id](const auto& entry) { return entry.second == id; });
      passed_over.erase(id);
    }
    for (const Id id : sampled) {
      ReferenceRequest& r = requests[at(id)];
      if (k == 0) break;
      r.drafts = LOOK > 0 ? k : draw(kvsim::salt_propose, id, r.T - r.prompt);
    }
  }

 private:
  // 3.1, with the first steps of Q5.1.
  void running_loop(bool defer) {
    p = 0;
    while (p < num_running() && B > 0) {
      if (I <= D) break;
      const Id id = running[at(p)];
      ReferenceRequest& r = requests[at(id)];
      const bool last_in_flight = r.U > 0 && r.C + 2 - r.U >= r.prompt + r.max_tokens;
      if (last_in_flight || calls < r.E || (defer && r.chunking)) {
        p += 1;
        continue;
      }
      std::int64_t n = r.T + r.drafts + r.U - r.C;
      if (0 < thr && thr < n) n = thr;
      n = std::min({n, B, I - D, L - r.C - 1});
      if (n == 0) {
        p += 1;
        continue;
      }
      const std::size_t old_blocks = r.table.size();
      bool fits = allocate(r, id, n, {}, false);
      while (!fits) {
        if (preempt_one() == id) break;
        fits = allocate(r, id, n, {}, false);
      }
      if (!fits) {
        if (!by_priority) break;
        continue;
      }
      B -= n;
      I -= n + D;
      carried = carried || r.chunking;
      const std::int64_t drafts = std::min(r.drafts, std::max<std::int64_t>(0, n + r.C - r.T));
      r.drafts = 0;
      plan.push_back({id, r.C, n, drafts, 2, false, old_blocks});
      p += 1;
    }
  }

  Id preempt_one() {
    std::int64_t place = num_running() - 1;
    if (by_priority) {
      const auto urgency = [this](Id id) {
        return std::pair{requests[at(id)].priority, requests[at(id)].arrival};
      };
      place = 0;
      for (std::int64_t i = 1; i < num_running(); ++i) {
        if (urgency(running[at(i)]) > urgency(running[at(place)])) place = i;
      }
    }
    const Id victim = running[at(place)];
    running.erase(running.begin() + place);
    if (place < p) p -= 1;
    const auto planned = std::find_if(plan.begin(), plan.end(),
                                      [victim](const Planned& e) { return e.id == victim; });
    if (planned != plan.end()) {
      B += planned->n;
      I += planned->n + D;
      plan.erase(planned);
    }
    // Section 5, Q5.2.
    ReferenceRequest& r = requests[at(victim)];
    preempted.push_back({victim, r.C, r.F});
    pool.free_table(r.table);
    r.table.clear();
    r.C = r.ncached = r.drafts = r.U = 0;
    r.S = r.F;
    r.npre += 1;
    enqueue(victim, true);
    return victim;
  }

  // 3.2, with Q5.3.
  void waiting_loop(bool defer, std::vector<Id>& skipped) {
    const bool ran = !plan.empty();
    while (B > 0) {
      if (num_waiting() == 0 || I <= D || num_running() >= ACTIVE) return;
      const Id id = by_priority ? heap.begin()->second : queue.front();
      ReferenceRequest& r = requests[at(id)];
      if (r.S > 0) {
        pop();
        skipped.push_back(id);
        passed_over.insert(id);
        continue;
      }
      const std::vector<std::int64_t> hits = lookup(r, id);
      const std::int64_t h = bs * static_cast<std::int64_t>(hits.size());
      if (defer && h < r.T - 1) return;
      const std::int64_t cap = std::min(B, I - D);
      std::int64_t n = r.T - h;
      bool padding = false;
      if (k > 0 && n == 1 && !carried && (ran || h > 0) && h + (1 + k) + 1 <= L) {
        if (1 + k > cap) return;
        n = 1 + k;
        padding = true;
      }
      if (0 < thr && thr < n) n = thr;
      if (!c_.engine.enable_chunked_prefill && n > cap) return;
      n = std::min(n, cap);
      if (!allocate(r, id, n, hits, true)) return;
      pop();
      passed_over.erase(id);
      running.push_back(id);
      r.C = h;
      B -= n;
      I -= n + D;
      admitted_prefill = admitted_prefill || h < r.T - 1;
      if (r.npre == 0) r.first_hit = h;
      plan.push_back(
          {id, h, n, padding ? k : 0, static_cast<std::uint8_t>(r.npre == 0 ? 0 : 1), padding, 0});
    }
  }
  void pop() {
    if (by_priority) {
      heap.erase(heap.begin());
    } else {
      queue.pop_front();
    }
  }

  // ---- section 4 ----

  bool allocate(ReferenceRequest& r, Id id, std::int64_t n, const std::vector<std::int64_t>& hits,
                bool admission) {
    const std::int64_t base = (admission ? 0 : r.C) + bs * static_cast<std::int64_t>(hits.size());
    const auto have = static_cast<std::int64_t>(r.table.size() + hits.size());
    std::int64_t ev = 0;
    for (const std::int64_t block : hits) ev += pool.in_use(block) ? 0 : 1;
    const auto need = [&](std::int64_t x) {
      return std::max<std::int64_t>(cd(x, bs) - have, 0) + ev;
    };
    const std::int64_t w = admission && !running.empty() ? WM : 0;
    if (admission && c_.engine.scheduler_reserve_full_isl &&
        need(std::min(r.T, L)) + w > pool.free()) {
      return false;
    }
    const std::int64_t slots = std::min(base + n + LOOK, L);
    if (need(slots) + w > pool.free()) return false;
    for (const std::int64_t block : hits) {
      pool.take_reference(block);
      r.table.push_back(block);
    }
    if (admission) r.ncached = static_cast<std::int64_t>(hits.size());
    while (static_cast<std::int64_t>(r.table.size()) < cd(slots, bs)) {
      r.table.push_back(pool.take_from_front());
    }
    publish(r, id, std::min(base + n, r.T));
    return true;
  }

  // ---- section 6 ----

  [[nodiscard]] BlockKey key(Id id, std::int64_t j) const {
    const kvsim::PrefixKeys& keys = c_.requests.keys;
    if (j < keys.count(id)) return {-1, keys.of(id)[j]};
    return {id, j};
  }
  [[nodiscard]] std::vector<std::int64_t> lookup(const ReferenceRequest& r, Id id) const {
    std::vector<std::int64_t> hits;
    if (!caching) return hits;
    for (std::int64_t j = 0; j < (r.T - 1) / bs; ++j) {
      const std::int64_t block = pool.find(key(id, j));
      if (block == 0) break;
      hits.push_back(block);
    }
    return hits;
  }
  void publish(ReferenceRequest& r, Id id, std::int64_t x) {
    if (!caching) return;
    const std::int64_t full = std::min(x / bs, r.T / bs);
    for (std::int64_t j = r.ncached; j < full; ++j) pool.publish(r.table[at(j)], key(id, j));
    r.ncached = std::max(r.ncached, full);
  }
  [[nodiscard]] std::int64_t draw(std::uint64_t salt, Id id, std::int64_t outputs) const {
    return kvsim::spec_draw(c_.engine.spec_seed, salt, static_cast<std::uint64_t>(id),
                            static_cast<std::uint64_t>(outputs), k);
  }

  const ReplicaCase& c_;

  // Names of the rules' section 1.
  std::int64_t bs, L, BUDGET, ACTIVE, WM, k, LOOK, D, PI, P;
  bool async, caching, by_priority;

 public:
  ReferencePool pool;
  std::vector<ReferenceRequest> requests;
  std::vector<Id> running;
  // What the last call decided, and who stopped in the output last processed.
  std::vector<Planned> plan;
  std::vector<Victim> preempted;
  std::vector<Id> stopped;

 private:
  std::deque<Id> queue;                                       // FCFS
  std::set<std::pair<std::pair<std::int64_t, Ns>, Id>> heap;  // PRIORITY
  std::set<Id> passed_over;
  std::int64_t calls = 0;
  std::int64_t B = 0, I = 0, thr = 0, p = 0;
  bool carried = false, admitted_prefill = false;
  // Section 8.
  std::int64_t executed = 0;
  std::int64_t last;
  bool bound = false;
};

}  // namespace kvsim_test
