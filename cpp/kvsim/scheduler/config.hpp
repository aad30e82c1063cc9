// The scheduler's constants, in the notation of vLLM's rules (docs/architecture.md).
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "kvsim/core/time.hpp"
#include "kvsim/scenario/scenario.hpp"
#include "kvsim/workload/arrival_feed.hpp"

namespace kvsim {

// What happens when blocks run out, beyond vLLM's rules.
struct PreemptionRules {
  PreemptionVictim victim = PreemptionVictim::latest;
  std::int64_t max_per_request = std::numeric_limits<std::int64_t>::max();
  bool reject = false;   // at the limit, instead of waiting
  Ns gap_ns = 0;         // between two preemptions
  bool reserve = false;  // mode none
  bool swap = false;
  bool swap_overlap = false;
  bool careful = false;  // another victim than vLLM's, or a budget: the definition's business
  std::int64_t host_blocks = 0;
  double swap_ns_per_block = 0;
};

struct SchedulerConfig {
  std::int64_t block_size = 16;
  std::int64_t num_gpu_blocks = 0;
  std::int64_t max_model_len = 0;
  std::int64_t budget = 0;            // max_num_batched_tokens
  std::int64_t active = 0;            // max_num_active_seqs, else max_num_seqs
  std::int64_t watermark_blocks = 0;  // floor(watermark * num_gpu_blocks)
  std::int64_t drafts = 0;            // k, speculative tokens a step
  std::int64_t lookahead = 0;         // slots reserved ahead: k with a model that drafts
  std::int64_t draft_slots = 0;       // budget charged per request: 1 with a draft model
  std::int64_t threshold = 0;         // long_prefill_token_threshold
  std::int64_t prefill_interval = 1;
  bool threshold_adaptive = false;
  bool reserve_full = true;  // scheduler_reserve_full_isl
  bool chunked_prefill = true;
  bool prefix_caching = false;
  bool priority = false;  // policy priority, else FCFS
  bool spec_ngram = false;
  bool drop_last_hit = false;  // mtp: the last block found in the prefix cache is computed anew
  PreemptionRules preemption;
  std::optional<ContiguousAllocator> contiguous;  // null: paged
  std::optional<Ns> static_window_ns;             // set: request-level batches
  RecordMemory record_memory = RecordMemory::none;
  PrefixEviction eviction = eviction_of<Lru>();
  std::uint64_t eviction_seed = 0;
  double attention_per_block = 0;  // see EvictionSetup
  bool async = false;              // asynchronous scheduling
  std::int64_t stages = 1;         // pipeline_parallel_size
  FrontEnd front_end;              // delay before the scheduler sees a request
  Ns empty_sleep_ns = 0;           // pause of the engine loop after an empty call
  std::uint64_t spec_seed = 0;
  std::uint64_t run_seed = 0;  // of the scenario
  Acceptance acceptance = HashAcceptance{};
  double spec_match_probability = 1;
  std::shared_ptr<const StepTimeModel> draft_time;  // null: drafting takes no time

  // Batches in flight: with one, the loop is the plain synchronous one.
  [[nodiscard]] std::int64_t batch_queue() const { return async ? stages + 1 : stages; }

  static SchedulerConfig from(const EngineSpec& e, std::int64_t pipeline_parallel_size,
                              std::int64_t num_gpu_blocks, std::int64_t max_model_len);
};

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace kvsim
