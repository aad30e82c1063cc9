// The summary of a run: one number a name, the names being those of `vllm bench serve` where it has
// them. docs/metrics.md defines each.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include "kvsim/core/control.hpp"
#include "kvsim/core/itl_histogram.hpp"
#include "kvsim/result.hpp"
#include "kvsim/scenario/scenario.hpp"

namespace kvsim {

struct SummaryField {
  std::string_view name;
  std::string_view unit;
  std::string_view doc;
};

namespace summary_detail {

#define KVSIM_LATENCY_FIELDS(key, what)                                        \
  SummaryField{"mean_" key "_ms", "ms", "Mean " what "."},                     \
      SummaryField{"median_" key "_ms", "ms", "Median " what "."},             \
      SummaryField{"std_" key "_ms", "ms", "Standard deviation of " what "."}, \
      SummaryField{"p50_" key "_ms", "ms", "50th percentile of " what "."},    \
      SummaryField{"p90_" key "_ms", "ms", "90th percentile of " what "."},    \
      SummaryField{"p95_" key "_ms", "ms", "95th percentile of " what "."},    \
      SummaryField{"p99_" key "_ms", "ms", "99th percentile of " what "."},    \
      SummaryField{"p99.9_" key "_ms", "ms", "99.9th percentile of " what "."}

// In the order in which summarize() writes them.
inline constexpr std::array fields{
    SummaryField{"completed", "requests", "Requests that finished."},
    SummaryField{"duration_s", "s", "First arrival to last finish."},
    SummaryField{"total_input_tokens", "tokens", "Prompt tokens of all requests."},
    SummaryField{"total_output_tokens", "tokens", "Tokens generated."},
    SummaryField{"request_throughput", "1/s", "Requests finished per second of the duration."},
    SummaryField{"output_throughput", "tokens/s", "Output tokens per second."},
    SummaryField{"total_token_throughput", "tokens/s", "Prompt and output tokens per second."},
    SummaryField{"request_goodput", "1/s",
                 "Requests per second within every limit of the SLO; null without one."},
    KVSIM_LATENCY_FIELDS("ttft", "time to first token"),
    KVSIM_LATENCY_FIELDS("tpot",
                         "time per output token after the first, requests with more than one"),
    KVSIM_LATENCY_FIELDS("itl", "gap between two output tokens of a request"),
    KVSIM_LATENCY_FIELDS("e2el", "time from arrival to last token"),
    SummaryField{"offered_rate_per_s", "1/s", "Arrivals per second, first to last arrival."},
    SummaryField{"achieved_rate_per_s", "1/s",
                 "Completions per second, first arrival to last finish."},
    SummaryField{"utilization", "", "Share of the duration in which a step runs."},
    SummaryField{"mean_running", "requests", "Requests running, mean over time."},
    SummaryField{"max_running", "requests", "Most requests running."},
    SummaryField{"mean_waiting", "requests", "Requests waiting, mean over time."},
    SummaryField{"max_waiting", "requests", "Most requests waiting."},
    SummaryField{"mean_kv_use", "", "Share of the usable KV blocks in use, mean over time."},
    SummaryField{"max_kv_use", "", "Largest share of the usable KV blocks in use."},
    SummaryField{"preemptions", "", "Preemptions, of all requests."},
    SummaryField{"swaps", "", "Of these, preemptions whose blocks were copied to the host."},
    SummaryField{"preemption_waits", "", "Times that a budget of preemptions made a request wait."},
    SummaryField{"prefix_hit_rate", "",
                 "Share of the tokens at first admission found in the cache."},
    SummaryField{
        "mean_token_slots", "",
        "Share of the KV slots that hold tokens, mean over time; null without record_memory."},
    SummaryField{"mean_reserved_slots", "", "Share that running requests will fill later."},
    SummaryField{"mean_internal_slots", "", "Share held by running requests that never fill it."},
    SummaryField{"mean_rounding_slots", "", "Share that the placement adds to reservations."},
    SummaryField{"mean_external_slots", "",
                 "Share that is free while the head of the queue does not fit."},
    SummaryField{"mean_cached_slots", "", "Share that is free and may be found by a prefix."},
    SummaryField{"mean_free_slots", "", "Share that is free otherwise."},
    SummaryField{"mean_frontend_ms", "ms", "Mean time from arrival to reaching the scheduler."},
    SummaryField{"mean_queue_ms", "ms", "Mean wait from there to the first step."},
    SummaryField{"p99_queue_ms", "ms", "99th percentile of that wait."},
    SummaryField{"mean_tokens_per_step", "tokens", "Tokens scheduled a step."},
    SummaryField{"steps", "", "Steps of the engine."},
    SummaryField{"lazy_steps", "", "Of these, steps that leaping evaluated lazily."},
    SummaryField{"acceptance_rate", "", "Share of the drafted tokens that were accepted."},
    SummaryField{"mean_acceptance_length", "tokens",
                 "Tokens that a pass over a request's drafts makes; null without drafts."},
    SummaryField{"draft_time_share", "",
                 "Share of the time of steps that is drafting; null without drafts."},
    SummaryField{"speculative_preemptions", "",
                 "Of the preemptions, those for want of blocks for drafts and the slots ahead."},
    SummaryField{"peak_bisection_utilization", "",
                 "Largest share of the bandwidth between the two halves of the GPUs that share a "
                 "layer that a step used; null without links."},
    SummaryField{"mean_host_ms", "ms", "Mean of a request's time in host work of its steps."},
    SummaryField{"mean_compute_ms", "ms", "Mean time in arithmetic and launches of its steps."},
    SummaryField{"mean_hbm_ms", "ms", "Mean time in memory traffic of its steps."},
    SummaryField{"mean_comm_ms", "ms", "Mean time in communication of its steps."},
    SummaryField{"mean_preempted_ms", "ms", "Mean time waiting after preemptions."},
    SummaryField{"mean_redo_ms", "ms", "Mean time recomputing what preemptions lost."},
    SummaryField{"mean_bubble_ms", "ms", "Mean time between its batches, with batches in flight."},
    SummaryField{"warmup_requests", "requests", "First requests that the figures leave out."},
    SummaryField{"mean_gateway_ms", "ms", "Mean time at the gateway of a fleet."},
    SummaryField{"mean_dispatch_ms", "ms",
                 "Mean time from there until the copy that decided was sent: hedging delay, failed "
                 "attempts."},
    SummaryField{"mean_network_ms", "ms", "Mean time in the network, both ways."},
    SummaryField{"rejected", "requests",
                 "Requests that a limit of a fleet or a preemption budget turned away."},
    SummaryField{"lost", "requests", "Requests that a failed server took along."},
    SummaryField{"retries", "", "Sub-requests sent anew after a failure."},
    SummaryField{"deadline_miss_rate", "", "Share of the completed requests after their deadline."},
    SummaryField{"hedge_percent", "%", "Second copies, of the sub-requests."},
    SummaryField{"extra_work_percent", "%",
                 "Of these, second copies that no cancellation stopped."},
    SummaryField{"hedge_win_rate", "", "Share of the second copies that answered first."},
    SummaryField{"mean_batch", "requests", "Sub-requests in a batch of a one-shot server."},
    SummaryField{"mean_power_mw", "mW", "Energy over the duration."},
    SummaryField{"energy_per_request_mj", "mJ", "Energy over the completed requests."},
};

#undef KVSIM_LATENCY_FIELDS

}  // namespace summary_detail

[[nodiscard]] constexpr const auto& summary_fields() { return summary_detail::fields; }

// Index of a name in summary_fields(), its size if there is none.
[[nodiscard]] constexpr std::size_t summary_index(std::string_view name) {
  std::size_t i = 0;
  while (i < summary_fields().size() && summary_fields()[i].name != name) ++i;
  return i;
}

// One value a field, NaN where a run does not define it (no request with two tokens, no SLO, no
// waterfall, no fleet). The columns hold every request of the run, of which only the completed
// count; those of the waterfall may be empty. The first `warmup_requests` of these by arrival are
// left out of what is counted by request (docs/metrics.md).
[[nodiscard]] std::vector<double> summarize(const RequestColumns& requests, const RunTotals& totals,
                                            const ItlHistogram& itl, const Slo& slo,
                                            const FleetTotals& fleet = {}, Control control = {},
                                            std::int64_t warmup_requests = 0);

}  // namespace kvsim
