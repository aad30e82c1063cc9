// What a run leaves behind: columns, totals, a summary.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kvsim/core/int128.hpp"
#include "kvsim/core/itl_histogram.hpp"
#include "kvsim/core/time.hpp"
#include "kvsim/server/kv_budget.hpp"
#include "kvsim/step_time/terms.hpp"
#include "kvsim/step_time/trust.hpp"

namespace kvsim {

enum class FinishReason : std::uint8_t { length = 0, stop = 1 };

// One row a request, in order of id. E2E = finish - arrival = frontend + queue + host + compute +
// hbm + comm + preempted + redo + bubble, exactly.
struct RequestColumns {
  std::vector<Ns> arrival_ns;
  std::vector<Ns> scheduled_ns;    // start of the first step that computes it
  std::vector<Ns> first_token_ns;  // end of the step that samples its first token
  std::vector<Ns> finish_ns;
  std::vector<std::int32_t> prompt_tokens;
  std::vector<std::int32_t> output_tokens;
  std::vector<std::int32_t> num_preemptions;
  std::vector<std::int32_t> cached_tokens;  // prefix hit at the first admission
  std::vector<std::uint8_t> finish_reason;
  // Waterfall (record_waterfall): time in the front end; time waiting before the first step; the
  // terms of the steps it was in; time waiting after preemptions; time in steps that recompute what
  // a preemption lost; time between its batches (only with batches in flight).
  std::vector<Ns> frontend_ns;
  std::vector<Ns> queue_ns, host_ns, compute_ns, hbm_ns, comm_ns, preempted_ns, redo_ns, bubble_ns;
  // The same up to the first token: with frontend and queue they add up to first_token - arrival.
  std::vector<Ns> ttft_host_ns, ttft_compute_ns, ttft_hbm_ns, ttft_comm_ns, ttft_preempted_ns,
      ttft_redo_ns, ttft_bubble_ns;
  // Fleets: time at the gateway; from there until the copy that decided was sent (hedging delay,
  // failed attempts); in the network both ways. They count in E2E too. For a request that was not
  // completed all moments are that of its end.
  std::vector<Ns> gateway_ns, dispatch_ns, network_ns;
  std::vector<std::int32_t> server;   // whose answer decided; -1: none
  std::vector<std::int32_t> copies;   // sub-requests sent for it, hedges and retries included
  std::vector<std::uint8_t> outcome;  // an Outcome
};

enum class Outcome : std::uint8_t { completed = 0, rejected = 1, lost = 2 };

// One row a change at a server of a fleet (record steps and all).
struct FleetEventColumns {
  std::vector<Ns> t_ns;
  std::vector<std::uint8_t> kind;  // a FleetEvent
  std::vector<std::int32_t> server;
  std::vector<std::int32_t> outstanding;  // sub-requests there after it, waiting and running
  std::vector<std::int32_t> request;      // -1: none in particular
};

enum class FleetEvent : std::uint8_t {
  sent = 0,
  served = 1,
  hedged = 2,  // a second copy was sent
  cancelled = 3,
  failed = 4,
  recovered = 5,
  rejected = 6,
};

// Sums over a fleet's run; all 0 without a fleet.
struct FleetTotals {
  std::int64_t servers = 0;
  std::int64_t workers = 0;  // of all servers: what can be busy at one time
  std::int64_t sub_requests = 0;
  std::int64_t hedges = 0;  // second copies
  std::int64_t hedge_wins = 0;
  std::int64_t cancelled = 0;  // copies that a cancellation kept from being served
  std::int64_t retries = 0;
  std::int64_t rejected = 0;
  std::int64_t lost = 0;
  std::int64_t deadline_misses = 0;
  std::int64_t batches = 0;  // one-shot: batches served; token-level: steps
  std::int64_t served = 0;   // and what was in them: copies; tokens
  std::int64_t wakeups = 0;
  std::int64_t packets = 0;
  bool has_deadlines = false;
  bool has_power = false;
  double energy_mj = 0;
};

// One row a step (record steps and all).
struct StepColumns {
  std::vector<Ns> t_ns, dur_ns, host_ns, compute_ns, hbm_ns, comm_ns;
  std::vector<std::int32_t> scheduled, tokens, running, waiting, free_blocks_scheduled,
      free_blocks_end, preempted;
  std::vector<std::int64_t> context;
  std::vector<double> bisection_utilization;  // step-time models that have links
  // record all:
  std::vector<std::uint64_t> blocks_hash;
  std::vector<std::int64_t> preempted_offset;  // CSR into the two columns below, size steps + 1
  std::vector<std::int32_t> preempted_request, preempted_computed, preempted_in_flight;
  // batches in flight (asynchronous scheduling, pipelines): execution of the batch, when its output
  // was processed, batches in flight with it
  std::vector<Ns> start_ns, end_ns, processed_ns;
  std::vector<std::int32_t> in_flight;
};

// One row an entry: a scheduled request in one step (record all).
struct EntryColumns {
  std::vector<std::int32_t> step, request, computed, tokens, drafts, sampled;
  std::vector<std::uint8_t> kind;  // 0 new, 1 resumed, 2 running
  std::vector<char> fate;          // batches in flight: '-' no sample, 'k' kept, 's' kept though
                                   // scheduled before a preemption, 'd' discarded
};

// The slots of the KV memory by what they are to the requests; every slot is in one class.
struct MemorySlots {
  std::int64_t tokens = 0;    // hold a token's keys and values
  std::int64_t reserved = 0;  // a running request will fill them later
  std::int64_t internal = 0;  // held by a running request, which will never fill them
  std::int64_t rounding = 0;  // what the placement adds to a reservation
  std::int64_t external = 0;  // free, but not enough for the request at the head of the queue
  std::int64_t cached = 0;    // free, with a content that the prefix cache may find
  std::int64_t free = 0;
};

// The same, integrated over time.
struct MemoryClasses {
  Int128 tokens = 0;
  Int128 reserved = 0;
  Int128 internal = 0;
  Int128 rounding = 0;
  Int128 external = 0;
  Int128 cached = 0;
  Int128 free = 0;

  [[nodiscard]] Int128 total() const {
    return tokens + reserved + internal + rounding + external + cached + free;
  }
  void add(const MemorySlots& slots, Ns dur) {
    tokens += Int128{slots.tokens} * dur;
    reserved += Int128{slots.reserved} * dur;
    internal += Int128{slots.internal} * dur;
    rounding += Int128{slots.rounding} * dur;
    external += Int128{slots.external} * dur;
    cached += Int128{slots.cached} * dur;
    free += Int128{slots.free} * dur;
  }
};

// What a single slot is, as a number.
enum class SlotClass : std::uint8_t {
  free,
  tokens,
  reserved,
  internal,
  rounding,
  external,
  cached
};

// A picture of the KV memory over time (record_memory = heatmap): one entry a column, but the last
// three: which slot each row shows, and class and owner of each cell, column after column.
struct HeatmapColumns {
  std::vector<Ns> t_ns;
  std::vector<std::int32_t> preemptions, evictions;  // since the column before
  std::vector<std::int64_t> token_slots, reserved_slots, internal_slots, rounding_slots,
      external_slots, cached_slots, free_slots;  // of the whole memory
  std::vector<std::int64_t> row_slot;
  std::vector<std::uint8_t> slot_class;
  std::vector<std::int32_t> owner;  // request, -1 = nobody
};

// Sums over a run, integer and therefore exact.
struct RunTotals {
  Ns start_ns = 0;  // first arrival
  Ns end_ns = 0;    // last finish
  Ns busy_ns = 0;   // sum of step durations
  Terms terms;
  std::int64_t steps = 0;
  std::int64_t lazy_steps = 0;  // of these, steps that the lazy path carried
  std::int64_t scheduled_tokens = 0;
  std::int64_t entries = 0;
  std::int64_t completed = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t preemptions = 0;
  std::int64_t rejected = 0;             // by a preemption budget; a fleet counts its own
  std::int64_t prefix_query_tokens = 0;  // known tokens of requests at first admission
  std::int64_t prefix_hit_tokens = 0;    // of these, found in the prefix cache
  std::int64_t draft_tokens = 0;
  std::int64_t accepted_tokens = 0;
  std::int64_t verifications = 0;            // passes over a request's drafts
  std::int64_t speculative_preemptions = 0;  // that would not have been without draft slots
  Ns draft_ns = 0;                           // of busy_ns, drafting
  std::int64_t max_running = 0;
  std::int64_t max_waiting = 0;
  std::int64_t max_used_blocks = 0;
  std::int64_t num_gpu_blocks = 0;
  std::int64_t block_size = 0;
  // Largest share of the bisection bandwidth that a step used (docs/metrics.md); 0 without links.
  double peak_bisection_utilization = 0;
  // Time integrals: requests * ns, blocks * ns. Requests wait from their arrival on, so
  // waiting + running integrals = sum of all sojourn times (Little's law, exactly; checked at the
  // end of every run).
  Int128 waiting_integral = 0;
  Int128 running_integral = 0;
  Int128 used_block_integral = 0;
  std::int64_t swaps = 0;             // preemptions whose blocks went to the host
  std::int64_t swaps_refused = 0;     // of the swap mode, that did not fit there
  std::int64_t preemption_waits = 0;  // calls in which a budget kept a block from a request, and
                                      // resumptions that had to wait for all that it may need
  std::int64_t swapped_blocks = 0;    // copied, both ways
  MemoryClasses memory;               // slots * ns, with record_memory
};

enum class Status : std::uint8_t { ok, infeasible, unstable, livelock, invalid };

struct Result {
  Status status = Status::ok;  // ok or unstable; the others leave as errors
  std::string reason;          // why it is not ok
  std::vector<std::string> warnings;
  Trust trust;  // in the step times
  RunTotals totals;
  FleetTotals fleet;
  KvBudget kv_budget;
  std::vector<double> summary;  // one value a name of summary_fields(), NaN where undefined
  ItlHistogram itl;
  RequestColumns requests;  // empty with record = summary
  StepColumns steps;
  EntryColumns entries;
  HeatmapColumns heatmap;
  FleetEventColumns fleet_events;
};

}  // namespace kvsim
