#include "kvsim/scheduler/config.hpp"

#include <variant>

namespace kvsim {

namespace {

PreemptionRules preemption_rules(const EngineSpec& e) {
  const PreemptionSpec& p = e.preemption;
  const bool priority = e.scheduling_policy == SchedulingPolicy::priority;
  const auto usual = priority ? PreemptionVictim::lowest_priority : PreemptionVictim::latest;
  PreemptionRules rules;
  rules.victim = p.victim.value_or(usual);
  rules.reserve = p.mode == PreemptionMode::none;
  rules.swap = p.mode == PreemptionMode::swap;
  rules.swap_overlap = p.swap_overlap;
  if (p.max_per_request) rules.max_per_request = *p.max_per_request;
  rules.reject = p.at_limit == PreemptionLimit::reject;
  if (p.max_per_s) rules.gap_ns = round_half_even(1e9 / *p.max_per_s);
  rules.careful = rules.victim != usual || p.max_per_request || rules.gap_ns > 0;
  return rules;
}

}  // namespace

SchedulerConfig SchedulerConfig::from(const EngineSpec& e, std::int64_t pipeline_parallel_size,
                                      std::int64_t num_gpu_blocks, std::int64_t max_model_len) {
  SchedulerConfig c;
  c.block_size = e.block_size;
  c.num_gpu_blocks = num_gpu_blocks;
  c.max_model_len = max_model_len;
  c.budget = e.max_num_batched_tokens;
  c.active = e.max_num_active_seqs.value_or(e.max_num_seqs);
  c.watermark_blocks = static_cast<std::int64_t>(e.watermark * static_cast<double>(num_gpu_blocks));
  c.drafts = e.spec_method ? e.num_spec_tokens : 0;
  const bool draft_model = e.spec_method == SpecMethod::draft_model;
  const bool mtp = e.spec_method == SpecMethod::mtp;
  c.lookahead = draft_model || mtp ? c.drafts : 0;
  c.drop_last_hit = mtp;
  c.draft_slots = draft_model ? 1 : 0;
  c.spec_ngram = e.spec_method == SpecMethod::ngram;
  c.spec_seed = e.spec_seed;
  c.acceptance = e.spec_acceptance;
  c.spec_match_probability = e.spec_match_probability;
  c.threshold = e.long_prefill_token_threshold;
  c.threshold_adaptive = e.long_prefill_token_threshold_adaptive;
  c.prefill_interval = e.prefill_schedule_interval;
  c.reserve_full = e.scheduler_reserve_full_isl;
  c.chunked_prefill = e.enable_chunked_prefill;
  c.prefix_caching = e.enable_prefix_caching;
  c.eviction = e.prefix_eviction;
  c.preemption = preemption_rules(e);
  if (const auto* contiguous = std::get_if<ContiguousAllocator>(&e.kv_allocator)) {
    c.contiguous = *contiguous;
  }
  if (const auto* batches = std::get_if<StaticBatching>(&e.batching)) {
    c.static_window_ns = round_half_even(batches->window_ms * 1e6);
  }
  c.async = e.async_scheduling;
  c.stages = pipeline_parallel_size;
  c.front_end = {e.frontend_ms * 1e6, e.frontend_us_per_prompt_token * 1e3};
  c.empty_sleep_ns = e.empty_sleep_ns;
  c.priority = e.scheduling_policy == SchedulingPolicy::priority;
  return c;
}

}  // namespace kvsim
