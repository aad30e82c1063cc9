// State of a continuous-batching scheduler and the operations that both the step-by-step definition
// (definition.hpp) and the lazy path (lazy.hpp) are made of: SCHEDULER.md sections 2, 4, 5, 6.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvsim/core/error.hpp"
#include "kvsim/kv/block_pool.hpp"
#include "kvsim/kv/count_pool.hpp"
#include "kvsim/kv/eviction/policies.hpp"
#include "kvsim/kv/region_pool.hpp"
#include "kvsim/kv/table_store.hpp"
#include "kvsim/scheduler/config.hpp"
#include "kvsim/scheduler/host_memory.hpp"
#include "kvsim/scheduler/memory_rows.hpp"
#include "kvsim/scheduler/waiting_queue.hpp"
#include "kvsim/server/ledger.hpp"
#include "kvsim/workload/request_table.hpp"

namespace kvsim {

using RequestId = std::uint32_t;

// One request in the scheduler. T = known, C = computed in the rules' notation.
struct Seq {
  std::int32_t known = 0;     // T: prompt + outputs so far
  std::int32_t computed = 0;  // C: tokens whose KV is present or being produced
  std::int32_t limit = 0;     // T at which it stops
  std::int32_t prompt = 0;
  std::int32_t blocks = 0;     // length of its block table
  std::int32_t published = 0;  // leading blocks that have a key
  std::int32_t drafts = 0;     // proposed, for its next step
  bool live = false;           // admitted and not finished: its `running` entry is valid
  bool chunking = false;
  bool lazy = false;          // held by the lazy path
  bool done : 1 = false;      // finished, with batches in flight that may still name it
  bool reserved : 1 = false;  // holds all that it may ever need
  std::uint32_t order = 0;    // admissions so far when it was admitted: its place in `running`
  std::uint32_t table = 0;    // TableStore handle while it holds blocks
  std::uint32_t next = 0;     // lazy path: chain of the finish wheel
  std::int32_t shared = 0;    // leading keys that other requests have too
  std::uint32_t kept = 0;     // leading blocks that a resumption found in the private index
  std::int32_t preemptions = 0;
};

// An entry of a step's plan.
struct Entry {
  RequestId id;
  std::int32_t computed;  // before the step
  std::int32_t tokens;
  std::int32_t drafts;
  std::int32_t blocks_before;  // 0 for new and resumed: the whole table is news
  std::uint8_t kind;           // 0 new, 1 resumed, 2 running
  bool padded;                 // the drafts are the scheduler's own padding
  bool samples = false;        // batches in flight: it samples when it has run
  bool plain = false;          // one token of a decode that publishes nothing
};

// Of a request with batches in flight (rules for asynchronous scheduling and pipelines, section 3).
struct Flight {
  std::int32_t unseen = 0;      // U: tokens sampled by batches whose output is not processed yet
  std::int32_t in_flight = 0;   // F: tokens in batches in flight
  std::int32_t stale = 0;       // S: those of them that were scheduled before a preemption
  std::uint16_t group = 0;      // lazy path: whose batches it decodes in
  bool passed_over = false;     // skipped at the head of the queue because of stale output
  std::int64_t not_before = 0;  // E: first call that may decode it again
};

struct Preempted {
  RequestId id;
  std::int32_t computed;
  std::int32_t in_flight;
};

// Why the waiting loop ended.
enum class Admission : std::uint8_t {
  empty,
  slots,
  budget,
  memory,
  unchunked,
  deferred,
  preempted
};

template <class Pool>
struct SchedulerState {
  SchedulerState(const SchedulerConfig& config, const RequestTable& table)
      : cfg(config),
        requests(table),
        pool(config.num_gpu_blocks, config.block_size),
        waiting(config.priority),
        seqs(static_cast<std::size_t>(table.size())),
        host(cfg.preemption, cfg.block_size, seqs.size()) {
    if constexpr (Pool::has_cache) {
      if (cfg.prefix_caching) {
        pool.use_shared_keys(table.keys.num_shared_keys);
        pool.use_policy(
            make_eviction(cfg.eviction, {cfg.num_gpu_blocks, cfg.block_size, cfg.eviction_seed,
                                         cfg.attention_per_block, &table}));
      }
    }
    if constexpr (Pool::has_regions) pool.use_placement(cfg.contiguous->placement);
    if (cfg.batch_queue() > 1) flights.resize(seqs.size());
  }

  SchedulerConfig cfg;
  const RequestTable& requests;
  Pool pool;
  TableStore tables;
  WaitingQueue waiting;
  std::vector<Seq> seqs;
  std::vector<Flight> flights;  // empty unless batches are in flight
  std::int64_t num_passed_over = 0;
  std::vector<RequestId> skipped;
  std::vector<RequestId> running;  // in order of admission; may hold finished ones (not live)
  std::int64_t num_running = 0;
  std::uint32_t admissions = 0;

  // Memory classes (server/memory_meter.hpp), kept only if `metered`: blocks of all tables, those
  // shared by several counted for each; slots in them that their requests will never fill.
  bool metered = cfg.record_memory != RecordMemory::none;
  std::int64_t table_blocks = 0;
  std::int64_t wasted_slots = 0;
  MemoryRows rows;  // of the memory's picture, if one is recorded

  HostMemory host;
  // Preemption budgets.
  Ns next_preemption_ns = 0;
  bool stalled = false;  // in this call a request had to wait for a block

  // This call of schedule().
  std::vector<Entry> plan;
  std::vector<Preempted> preempted;
  std::vector<RequestId> rejected;     // by a preemption budget
  std::vector<BlockPool::Block> hits;  // the first num_hits; there is room for more
  std::size_t num_hits = 0;
  std::int64_t threshold = 0;
  bool carried = false;
  bool admitted_prefill = false;
  Admission admission_end = Admission::empty;
  // prefill_schedule_interval (rules, section 8).
  std::int64_t executed = 0;
  std::int64_t last_prefill = -cfg.prefill_interval;
  bool bound = false;

  void add(RequestId r) {
    Seq& s = seqs[r];
    s.prompt = s.known = requests.prompt_tokens[r];
    std::int64_t outputs = requests.output_tokens[r];
    if (!requests.stop_after.empty() && requests.stop_after[r] > 0) {
      outputs = std::min<std::int64_t>(outputs, requests.stop_after[r]);
    }
    const std::int64_t stop = s.prompt + outputs;
    s.limit = static_cast<std::int32_t>(stop < cfg.max_model_len ? stop : cfg.max_model_len);
    if (cfg.prefix_caching) s.shared = static_cast<std::int32_t>(requests.keys.count(r));
    waiting.push(waiting_entry(r));
  }

  [[nodiscard]] std::int32_t priority_of(RequestId r) const {
    return requests.priority.empty() ? 0 : requests.priority[r];
  }
  [[nodiscard]] WaitingQueue::Entry waiting_entry(RequestId r) const {
    return {priority_of(r), r, cfg.priority ? ledger->arrival_ns(r) : 0};
  }

  // Longest chunk in this step (section 3): none for a request that is alone.
  void set_threshold() {
    const std::int64_t eligible = num_running + static_cast<std::int64_t>(waiting.size());
    threshold = eligible > 1 ? cfg.threshold : 0;
    if (threshold > 0 && cfg.threshold_adaptive) {
      threshold = std::max(threshold, cfg.budget / eligible);
    }
  }

  [[nodiscard]] BlockPool::Block* table(const Seq& s) { return tables.at(s.table); }
  [[nodiscard]] const BlockPool::Block* table(const Seq& s) const { return tables.at(s.table); }
  [[nodiscard]] std::uint32_t table_capacity(const Seq& s) const {
    // A reservation does not foresee a stop.
    const std::int64_t limit = requests.stop_after.empty() ? s.limit : longest(id_of(s));
    const std::int64_t most =
        std::min<std::int64_t>(limit + 2 * cfg.drafts + 1, cfg.max_model_len + 1);
    return static_cast<std::uint32_t>(ceil_div(most, cfg.block_size) + 1);
  }

  [[nodiscard]] RequestId id_of(const Seq& s) const {
    return static_cast<RequestId>(&s - seqs.data());
  }
  // Prompt plus max_tokens.
  [[nodiscard]] std::int64_t longest(RequestId r) const {
    return std::min<std::int64_t>(
        std::int64_t{requests.prompt_tokens[r]} + requests.output_tokens[r], cfg.max_model_len);
  }
  // Slots that r may need at most, its drafts included. The last token is never computed.
  [[nodiscard]] std::int64_t most_slots(RequestId r) const {
    if (cfg.drafts == 0) return longest(r) - 1;
    return std::min(longest(r) + 2 * cfg.drafts + 1, cfg.max_model_len);
  }

  // Blocks that r lacks for its first `slots` tokens. The division is rarely needed.
  [[nodiscard]] std::int64_t blocks_needed(const Seq& s, std::int64_t slots) const {
    if (slots <= s.blocks * cfg.block_size) return 0;
    return ceil_div(slots, cfg.block_size) - s.blocks;
  }

  // Appends n blocks; the caller has tested that they are there.
  void append_blocks(Seq& s, std::int64_t n) {
    if constexpr (Pool::has_ids) {
      pool.take(n, table(s) + s.blocks);
    } else {
      pool.take(n);
    }
    s.blocks += static_cast<std::int32_t>(n);
    if (metered) meter_blocks(s, n);
    if (metered) show_blocks(s, s.blocks - n, n);
  }

  // n blocks came to the table as its entries from `entry` on.
  void show_blocks(const Seq& s, std::int64_t entry, std::int64_t n) {
    if constexpr (Pool::has_ids) {
      if (rows.on()) rows.took(holding(s, entry), table(s) + entry, n);
    } else if constexpr (!Pool::has_regions) {
      const std::int64_t free = pool.free();
      if (free >= rows.reach()) return;
      rows.took_counted(free + n, free, [&](std::int64_t i) { return holding(s, entry + i); });
    }
  }
  [[nodiscard]] MemoryRows::Holding holding(const Seq& s, std::int64_t entry) const {
    const std::int64_t needed = s.reserved ? ceil_div(s.limit - 1, cfg.block_size) : -1;
    return {id_of(s), static_cast<std::int32_t>(entry), static_cast<std::int32_t>(needed)};
  }

  // n blocks came to (or, below 0, are about to leave) the table, which has s.blocks.
  void meter_blocks(const Seq& s, std::int64_t n) {
    if constexpr (Pool::has_regions) return;
    table_blocks += n;
    const std::int64_t waste = s.blocks * cfg.block_size - (s.limit - 1);
    const bool had = (s.blocks - n) * cfg.block_size >= s.limit - 1;
    if (n < 0) {
      if (waste >= 0) wasted_slots -= waste;
    } else if (waste >= 0) {
      wasted_slots += had ? n * cfg.block_size : waste;
    }
  }

  // Publishes the keys of the full blocks among the first x tokens (section 6).
  void publish(RequestId r, Seq& s, std::int64_t x) {
    if constexpr (Pool::has_cache) {
      if (!cfg.prefix_caching || x < (s.published + 1) * cfg.block_size) return;
      const auto full =
          static_cast<std::int32_t>(std::min<std::int64_t>(x, s.known) / cfg.block_size);
      const std::int32_t end = std::min(full, s.shared);
      if (s.published < end) {
        const std::uint32_t* keys = requests.keys.of(r);
        for (std::int32_t j = s.published; j < end; ++j) pool.publish(table(s)[j], keys[j]);
      }
      s.published = std::max(s.published, full);
    }
  }

  // Longest cached prefix of a waiting request: hit blocks in `hits`; returns how many of them are
  // free (they would leave the free queue).
  std::int64_t lookup(RequestId r, const Seq& s) {
    num_hits = 0;
    std::int64_t evictable = 0;
    if constexpr (Pool::has_cache) {
      if (!cfg.prefix_caching) return 0;
      const std::int64_t most = (s.known - 1) / cfg.block_size;
      const std::int64_t end = std::min<std::int64_t>(most, s.shared);
      if (static_cast<std::int64_t>(hits.size()) < most)
        hits.resize(static_cast<std::size_t>(most));
      const std::uint32_t* keys = requests.keys.of(r);
      BlockPool::Block* const found = hits.data();
      std::int64_t j = 0;
      for (; j < end; ++j) {
        const auto block = pool.find(keys[j]);
        if (block == 0) break;
        evictable += pool.in_use(block) ? 0 : 1;
        found[j] = block;
      }
      if (j == end && s.preemptions > 0) {
        for (; j < most; ++j) {
          const auto block = pool.find_private(r, j);
          if (block == 0) break;
          ++evictable;
          found[j] = block;
        }
      }
      num_hits = static_cast<std::size_t>(j);
    }
    return evictable;
  }

  // vLLM with layers that draft from the model's hidden states (EAGLE, MTP), which the cache does
  // not keep: the last block that was found is computed anew. Returns 1 if it is a free one.
  std::int64_t drop_last_hit() {
    if constexpr (Pool::has_cache) {
      if (num_hits == 0) return 0;
      const BlockPool::Block last = hits[--num_hits];
      return pool.in_use(last) ? 0 : 1;
    }
    return 0;
  }

  void take_hits([[maybe_unused]] RequestId r, Seq& s) {
    if constexpr (Pool::has_cache) {
      std::copy_n(hits.begin(), num_hits, table(s));
      const std::size_t shared = std::min(num_hits, static_cast<std::size_t>(s.shared));
      pool.share(hits.data(), shared);
      for (std::size_t j = shared; j < num_hits; ++j) pool.revive(hits[j]);
      pool.admitted(r);
    }
    s.blocks = s.published = static_cast<std::int32_t>(num_hits);
    s.kept = static_cast<std::uint32_t>(num_hits);
    if (metered) meter_blocks(s, s.blocks);
    if (Pool::has_cache && metered) show_blocks(s, 0, s.blocks);
  }

  void open_table(Seq& s) {
    if constexpr (Pool::has_ids) s.table = tables.allocate(table_capacity(s));
    s.blocks = 0;
    s.published = 0;
  }

  // `kept`: after a preemption the request may find its own keyed blocks again.
  void free_blocks(const Seq& s, bool kept) {
    if (metered) {
      meter_blocks(s, -std::int64_t{s.blocks});
      if (rows.on()) hide_blocks(s);
    }
    if constexpr (Pool::has_regions) {
      pool.release(id_of(s));
    } else if constexpr (Pool::has_ids) {
      const std::int32_t shared = std::min(s.shared, s.published);
      pool.give(table(s), s.blocks, s.published, shared, kept);
      tables.release(s.table, table_capacity(s));
    } else {
      pool.give(s.blocks);
    }
  }

  void hide_blocks(const Seq& s) {
    if constexpr (Pool::has_regions) return rows.left(id_of(s));
    rows.gave(id_of(s), pool.free(), s.published, !Pool::has_ids);
  }

  // Whether an admission that failed for want of memory goes on failing until some is freed. If
  // only the next chunk must fit, another policy than LRU may help by evicting from the middle of
  // the head's prefix: the blocks behind are no hits any more, so they need not be kept for it.
  [[nodiscard]] bool memory_stays_short() const {
    return cfg.reserve_full || cfg.eviction == eviction_of<Lru>();
  }

  // Slots of a contiguous reservation.
  [[nodiscard]] std::int64_t reserved_slots(RequestId r) const {
    return cfg.contiguous->slots(requests.prompt_tokens[r], seqs[r].limit - 1, cfg.max_model_len);
  }

  // Whether r must be admitted with all that it may ever need.
  [[nodiscard]] bool must_reserve(const Seq& s) const {
    const PreemptionRules& p = cfg.preemption;
    return p.reserve || (!p.reject && s.preemptions >= p.max_per_request);
  }
  // Whether r is rejected where it would be preempted.
  [[nodiscard]] bool out_of_budget(RequestId r) const {
    return cfg.preemption.reject && seqs[r].preemptions >= cfg.preemption.max_per_request;
  }

  // Preemption (section 5). The caller has taken r out of `running` or marks it so.
  void preempt(RequestId r) {
    Seq& s = seqs[r];
    preempted.push_back({r, s.computed, 0});
    if (!flights.empty()) {
      Flight& f = flights[r];
      preempted.back().in_flight = f.stale = f.in_flight;
      f.unseen = 0;
    }
    host.swap_out(r, s.computed, ledger->totals);
    next_preemption_ns = ledger->now() + cfg.preemption.gap_ns;
    if constexpr (Pool::has_cache) {
      if (cfg.prefix_caching) {
        const std::int64_t from = std::max<std::int64_t>(s.shared, s.kept);
        pool.keep_private(r, table(s), from, s.published);
      }
    }
    free_blocks(s, true);
    s.blocks = s.published = s.computed = s.drafts = 0;
    s.live = false;
    ++s.preemptions;
    --num_running;
    ledger->preempted(r);
    waiting.push_preempted(waiting_entry(r));
  }

  // A request whose last token came. With batches in flight it may be waiting after a preemption.
  void finish(RequestId r) {
    Seq& s = seqs[r];
    if (!s.live) {
      waiting.erase(r);
      pass_over(r, false);
      if constexpr (Pool::has_cache) {
        if (cfg.prefix_caching) pool.forget_private(r);
      }
      ledger->finished(r, s.known - s.prompt);
      return;
    }
    if constexpr (Pool::has_cache) {
      if (cfg.prefix_caching && s.preemptions > 0) pool.forget_private(r);
    }
    free_blocks(s, false);
    s.live = false;
    --num_running;
    ledger->finished(r, s.known - s.prompt);
  }

  // One more request, in a fleet.
  void add_row() {
    seqs.emplace_back();
    if (!flights.empty() || cfg.batch_queue() > 1) flights.emplace_back();
    host.add_row();
  }
  // Takes a request out that nobody waits for any more (vLLM's abort).
  void drop(RequestId r) {
    take_out(r);
    ledger->dropped(r);
  }
  // Turns a running request away. The caller has taken r out of `running`.
  void reject(RequestId r) {
    take_out(r);
    rejected.push_back(r);
    ledger->rejected(r, seqs[r].known - seqs[r].prompt);
  }
  void take_out(RequestId r) {
    Seq& s = seqs[r];
    if constexpr (Pool::has_cache) {
      if (cfg.prefix_caching && s.preemptions > 0) pool.forget_private(r);
    }
    if (s.live) {
      free_blocks(s, false);
      s.live = false;
      --num_running;
    } else {
      waiting.erase(r);
      host.drop(r);
    }
  }

  void pass_over(RequestId r, bool over) {
    if (flights[r].passed_over == over) return;
    flights[r].passed_over = over;
    num_passed_over += over ? 1 : -1;
  }
  // Heads with stale output in flight wait aside; those behind may overtake (section 5.3).
  void admit_queued(std::int64_t B, std::int64_t I, bool defer) {
    skipped.clear();
    admit(B, I, defer);
    for (std::size_t i = skipped.size(); i > 0; --i) {
      waiting.push_preempted(waiting_entry(skipped[i - 1]));
    }
  }

  // The waiting loop (section 3.2). B and I are the budgets that the running loop left, whose
  // entries stand in `plan`.
  void admit(std::int64_t B, std::int64_t I, bool defer);

  // The last running request, FCFS's victim.
  RequestId last_running() {
    while (!seqs[running.back()].live) running.pop_back();
    return running.back();
  }

  Ledger* ledger = nullptr;
};

template <class Pool>
void SchedulerState<Pool>::admit(std::int64_t B, std::int64_t I, bool defer) {
  const std::int64_t k = cfg.drafts;
  const std::int64_t D = cfg.draft_slots;
  const bool ran = !plan.empty();
  for (;;) {
    if (B <= 0) return void(admission_end = Admission::budget);
    if (waiting.empty()) return void(admission_end = Admission::empty);
    if (I <= D) return void(admission_end = Admission::budget);
    if (num_running >= cfg.active) return void(admission_end = Admission::slots);
    const RequestId r = waiting.head();
    Seq& s = seqs[r];
    if (s.preemptions > 0 && !flights.empty() && flights[r].stale > 0) {
      waiting.pop();
      skipped.push_back(r);
      pass_over(r, true);
      continue;
    }
    std::int64_t evictable = lookup(r, s);
    if (cfg.drop_last_hit) evictable -= drop_last_hit();
    const auto have = static_cast<std::int64_t>(num_hits);
    std::int64_t h = have * cfg.block_size;
    const std::int64_t swapped = host.tokens_of(r);
    h = std::max(h, swapped);
    if (defer && h < s.known - 1) return void(admission_end = Admission::deferred);
    const std::int64_t cap = std::min(B, I - D);
    std::int64_t n = s.known - h;
    std::int64_t padding = 0;
    if (k > 0 && n == 1 && !carried && (ran || h > 0) && h + (1 + k) + 1 <= cfg.max_model_len) {
      if (1 + k > cap) return void(admission_end = Admission::budget);
      n = 1 + k;
      padding = k;
    }
    if (threshold > 0 && threshold < n) n = threshold;
    if (!cfg.chunked_prefill && n > cap) return void(admission_end = Admission::unchunked);
    n = std::min(n, cap);

    const std::int64_t spare =
        pool.free() - evictable - (num_running > 0 ? cfg.watermark_blocks : 0);
    const auto blocks_for = [&](std::int64_t tokens) {
      return std::max<std::int64_t>(ceil_div(tokens, cfg.block_size) - have, 0);
    };
    if (cfg.reserve_full && !Pool::has_regions &&
        blocks_for(std::min<std::int64_t>(s.known, cfg.max_model_len)) > spare) {
      return void(admission_end = Admission::memory);
    }
    const bool reserves = Pool::has_regions || must_reserve(s);
    const std::int64_t take = reserves
                                  ? blocks_for(most_slots(r))
                                  : blocks_for(std::min(h + n + cfg.lookahead, cfg.max_model_len));
    if constexpr (Pool::has_regions) {
      if (!pool.place(r, reserved_slots(r), s.limit - 1)) {
        return void(admission_end = Admission::memory);
      }
      if (rows.on()) rows.placed(pool.regions().back());
    } else {
      if (take > spare) return void(admission_end = Admission::memory);
    }

    waiting.pop();
    open_table(s);
    s.reserved = reserves;
    if (reserves && s.preemptions > 0) ++ledger->totals.preemption_waits;
    take_hits(r, s);
    append_blocks(s, take);
    if (swapped > 0) h = host.swap_in(r, have, ledger->totals);
    s.computed = static_cast<std::int32_t>(h);
    publish(r, s, h + n);
    s.live = true;
    s.order = admissions++;
    running.push_back(r);
    ++num_running;
    B -= n;
    I -= n + D;
    if (h < s.known - 1) admitted_prefill = true;
    const bool resumed = s.preemptions > 0;
    if (num_passed_over > 0) pass_over(r, false);
    ledger->admitted(r, h, s.known, resumed);
    plan.push_back({r, static_cast<std::int32_t>(h), static_cast<std::int32_t>(n),
                    static_cast<std::int32_t>(padding), 0,
                    static_cast<std::uint8_t>(resumed ? 1 : 0), padding > 0});
  }
}

}  // namespace kvsim
