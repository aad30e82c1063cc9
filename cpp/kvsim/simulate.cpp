#include "kvsim/simulate.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kvsim/core/error.hpp"
#include "kvsim/metrics/counted_rows.hpp"
#include "kvsim/metrics/stability.hpp"
#include "kvsim/metrics/summary.hpp"
#include "kvsim/metrics/warmup.hpp"
#include "kvsim/scenario/json.hpp"
#include "kvsim/server/draft.hpp"
#include "kvsim/server/replicas.hpp"
#include "kvsim/setup.hpp"
#include "kvsim/simulate_fleet.hpp"
#include "kvsim/step_time/shard.hpp"
#include "kvsim/workload/build.hpp"

namespace kvsim {
namespace {

using Setup = ReplicaSetup;

// null: the model's longest context; or what the longest request needs, if a prompt does not fit
// into that (with a warning: a real engine would refuse it) or no model is named.
std::int64_t resolve_max_model_len(const Scenario& s, const ModelSpec* model, const RequestTable& t,
                                   std::vector<std::string>& warnings) {
  if (s.engine.max_model_len) return *s.engine.max_model_len;
  std::int64_t longest = 0;
  std::size_t worst = 0;
  for (std::size_t r = 0; r < t.prompt_tokens.size(); ++r) {
    longest = std::max(longest, std::int64_t{t.prompt_tokens[r]} + t.output_tokens[r]);
    if (t.prompt_tokens[r] > t.prompt_tokens[worst]) worst = r;
  }
  if (model == nullptr) return longest;
  const std::int64_t context = model->max_position_embeddings;
  const std::int64_t prompt = t.prompt_tokens[worst];
  if (prompt < context) return context;
  warnings.push_back("engine.max_model_len: raised to " + std::to_string(longest) +
                     ", because request " + std::to_string(worst) + " has a prompt of " +
                     std::to_string(prompt) + " tokens and " + model->name +
                     " was trained on contexts of " + std::to_string(context) +
                     "; set it to have such requests refused");
  return longest;
}

// How computing a block gets dearer with each block before it: attention reads them all
// (4 * heads * head_dim operations a token of context) while the products with the weights
// (2 operations a weight) stay the same.
double attention_per_block(const ModelSpec& model, std::int64_t block_size) {
  const ModelShard whole(model, 1);
  const double weights = whole.attention_params + whole.mlp_params + whole.router_params +
                         static_cast<double>(model.experts_per_token) * whole.expert_params;
  const auto attention = static_cast<double>(4 * model.heads * model.head_dim * block_size);
  return attention / (2 * weights);
}

void prepare_swap(const Scenario& s, Setup& setup) {
  const PreemptionSpec& p = s.engine.preemption;
  const double block_bytes =
      setup.budget.kv_bytes_per_token * static_cast<double>(setup.config.block_size);
  if (block_bytes <= 0 || (!p.swap_gb_per_s && setup.gpu == nullptr)) {
    bad_field(setup.model == nullptr ? "model" : "gpu", "null",
              "one of the catalogue with engine.preemption.mode \"swap\": the size of a block and "
              "the bandwidth to the host follow from them");
  }
  PreemptionRules& rules = setup.config.preemption;
  const double blocks = std::floor(p.swap_space_gib * 0x1p30 / block_bytes);
  if (blocks < 1) {
    bad_field(
        "engine.preemption.swap_space_gib", json::write_double(p.swap_space_gib),
        "room for at least one KV block of " + json::write_double(block_bytes / 0x1p30) + " GiB");
  }
  rules.host_blocks = static_cast<std::int64_t>(std::min(blocks, 0x1p40));
  const double bytes_per_s = p.swap_gb_per_s ? *p.swap_gb_per_s * 1e9 : setup.gpu->pcie_bytes_per_s;
  rules.swap_ns_per_block = block_bytes / bytes_per_s * 1e9;
}

// A plain loop, which compilers turn into vector instructions.
std::int64_t longest(const std::vector<std::int32_t>& tokens) {
  std::int32_t most = 0;
  for (const std::int32_t t : tokens) most = std::max(most, t);
  return most;
}

std::int64_t most_at_once(const Workload& w, std::int64_t requests) {
  const auto* loop = std::get_if<ClosedLoop>(&w.arrivals);
  return loop == nullptr ? requests : std::min(requests, loop->concurrency);
}

StepTimeContext step_time_context(const Scenario& s, const Inputs& in, const Setup& setup,
                                  const RequestTable& requests) {
  const bool altered = setup.gpu != nullptr && in.catalog->alters(*setup.gpu);
  return {setup.model,
          setup.gpu,
          s.tensor_parallel_size,
          s.weight_dtype,
          s.kv_cache_dtype,
          setup.config.budget,
          s.engine.max_num_seqs,
          setup.budget.num_gpu_blocks,
          setup.config.block_size,
          s.pipeline_parallel_size,
          s.engine.async_scheduling,
          setup.gpu == nullptr || altered ? nullptr : in.catalog->step_tables(setup.gpu->name),
          altered,
          longest(requests.prompt_tokens),
          longest(requests.prompt_tokens) + longest(requests.output_tokens),
          most_at_once(s.workload, requests.size())};
}

Setup prepare(const Scenario& s, const Inputs& in, const RequestTable& requests,
              std::vector<std::string>& warnings) {
  Setup setup;
  if (s.model) setup.model = &in.catalog->model(*s.model, "model");
  if (s.gpu) setup.gpu = &in.catalog->gpu(*s.gpu, "gpu");
  const std::int64_t max_len = resolve_max_model_len(s, setup.model, requests, warnings);
  const std::optional<ModelSpec> drafter = draft_model(s.engine, *in.catalog, setup.model);
  const ModelSpec* draft = drafter ? &*drafter : nullptr;
  setup.budget = compute_kv_budget(s.engine, setup.model, setup.gpu, s.tensor_parallel_size,
                                   s.weight_dtype, s.kv_cache_dtype, s.pipeline_parallel_size,
                                   draft_memory(s.engine, draft, s.tensor_parallel_size));
  setup.config = SchedulerConfig::from(s.engine, s.pipeline_parallel_size,
                                       setup.budget.num_gpu_blocks, max_len);
  setup.config.eviction_seed = setup.config.run_seed = s.seed;
  setup.config.draft_time =
      draft_step_time(s.engine, draft, step_time_context(s, in, setup, requests), warnings);
  setup.config.record_memory = s.record_memory;
  if (setup.config.preemption.swap) prepare_swap(s, setup);
  if (setup.model != nullptr) {
    setup.config.attention_per_block = attention_per_block(*setup.model, setup.config.block_size);
  }
  if (s.engine.prefix_eviction == eviction_of<Belady>() && !requests.successor.empty()) {
    bad_field("engine.prefix_eviction", quoted("belady"),
              "another policy for a workload of sessions: in which order their turns arrive "
              "depends on the run, so the trace is not known before it");
  }
  if (!setup.config.chunked_prefill && setup.config.budget < max_len) {
    bad_field("engine.max_num_batched_tokens", std::to_string(setup.config.budget),
              "at least max_model_len = " + std::to_string(max_len) +
                  " while enable_chunked_prefill is false");
  }
  if (setup.config.batch_queue() > 1 && setup.config.drafts > 0) {
    fail(ErrorKind::config,
         "engine.spec_method: got speculative decoding with batches in flight; allowed: null with "
         "engine.async_scheduling or pipeline_parallel_size > 1 (vLLM's rules for it are not "
         "known)");
  }
  return setup;
}

void check_reservation(std::int64_t r, std::int64_t prompt, std::int64_t needed,
                       std::int64_t largest, const SchedulerConfig& c) {
  const std::int64_t slots = c.contiguous->slots(prompt, needed, c.max_model_len);
  if (slots < needed) {
    fail(ErrorKind::config, "engine.kv_allocator.max_tokens: request " + std::to_string(r) +
                                " needs " + std::to_string(needed) + " slots, the reservation is " +
                                std::to_string(slots) + "; allowed: at least its output tokens");
  }
  if (slots > largest) {
    fail(ErrorKind::infeasible, "engine.kv_allocator: request " + std::to_string(r) + " reserves " +
                                    std::to_string(slots) + " contiguous slots; the memory of " +
                                    std::to_string((c.num_gpu_blocks - 1) * c.block_size) +
                                    " slots has at most " + std::to_string(largest) +
                                    " for one request (placement " +
                                    std::string(enum_name(c.contiguous->placement)) + ")");
  }
}

// Requests that vLLM would refuse or never finish.
void check_requests(const RequestTable& t, const SchedulerConfig& c) {
  std::int64_t largest = 0;
  if (c.contiguous) {
    const std::int64_t slots = (c.num_gpu_blocks - 1) * c.block_size;
    largest = make_placement(c.contiguous->placement, slots)->largest();
  }
  for (std::int64_t r = 0; r < t.size(); ++r) {
    const std::int64_t prompt = t.prompt_tokens[static_cast<std::size_t>(r)];
    if (prompt + 1 > c.max_model_len) {
      fail(ErrorKind::config, "workload: request " + std::to_string(r) + " has a prompt of " +
                                  std::to_string(prompt) +
                                  " tokens; allowed: at most engine.max_model_len - 1 = " +
                                  std::to_string(c.max_model_len - 1));
    }
    std::int64_t outputs = t.output_tokens[static_cast<std::size_t>(r)];
    if (!c.preemption.reserve && !t.stop_after.empty() &&
        t.stop_after[static_cast<std::size_t>(r)] > 0) {
      outputs = std::min<std::int64_t>(outputs, t.stop_after[static_cast<std::size_t>(r)]);
    }
    const std::int64_t last = std::min(prompt + outputs, c.max_model_len) - 1;
    if (c.contiguous) {
      check_reservation(r, prompt, last, largest, c);
      continue;
    }
    const std::int64_t need = ceil_div(last, c.block_size);
    if (need > c.num_gpu_blocks - 1) {
      fail(ErrorKind::infeasible, "engine.num_gpu_blocks: request " + std::to_string(r) +
                                      " needs " + std::to_string(need) + " KV blocks for its " +
                                      std::to_string(last) + " tokens, but only " +
                                      std::to_string(c.num_gpu_blocks - 1) +
                                      " are usable (num_gpu_blocks - 1)");
    }
  }
}

// Columns that the engine does not need while it runs.
void complete_columns(RequestColumns& c, const RequestTable& t, const FrontEnd& front_end,
                      bool waterfall) {
  c.prompt_tokens = t.prompt_tokens;
  c.finish_reason.assign(t.prompt_tokens.size(), static_cast<std::uint8_t>(FinishReason::length));
  for (std::size_t r = 0; r < t.stop_after.size(); ++r) {
    if (t.stop_after[r] > 0 && t.stop_after[r] == c.output_tokens[r]) {
      c.finish_reason[r] = static_cast<std::uint8_t>(FinishReason::stop);
    }
  }
  if (!waterfall && front_end.none()) return;
  for (const std::int32_t p : t.prompt_tokens) c.frontend_ns.push_back(front_end.delay(p));
  if (!waterfall) return;
  c.queue_ns.resize(t.prompt_tokens.size());
  for (std::size_t r = 0; r < c.queue_ns.size(); ++r) {
    c.queue_ns[r] = c.scheduled_ns[r] - c.arrival_ns[r] - c.frontend_ns[r];
  }
}

// Steps that schedule nothing use no link.
void complete_steps(StepColumns& c, const StepTimeModel& model) {
  if (!(bisection_ns(model, 1) > 0)) return;
  c.bisection_utilization.resize(c.dur_ns.size());
  for (std::size_t i = 0; i < c.dur_ns.size(); ++i) {
    if (c.dur_ns[i] == 0) continue;
    c.bisection_utilization[i] =
        bisection_ns(model, c.tokens[i]) / static_cast<double>(c.dur_ns[i]);
  }
}

void count_prompts(const RequestTable& requests, Result& result) {
  const std::vector<std::uint8_t>& outcome = result.requests.outcome;
  for (std::size_t r = 0; r < requests.prompt_tokens.size(); ++r) {
    if (!outcome.empty() && outcome[r] != static_cast<std::uint8_t>(Outcome::completed)) continue;
    result.totals.prompt_tokens += requests.prompt_tokens[r];
  }
}

// Only an open loop can outrun the server: with clients that wait, the queue is bounded by design.
void judge_stability(const Scenario& s, Result& result) {
  const Arrivals& a = s.workload.arrivals;
  if (std::holds_alternative<ClosedLoop>(a) || std::holds_alternative<Burst>(a) ||
      std::holds_alternative<Sessions>(s.workload.prefixes)) {
    return;
  }
  const RequestColumns& c = result.requests;
  if (result.totals.completed < static_cast<std::int64_t>(c.arrival_ns.size())) return;
  const Drift drift = queue_drift(c.arrival_ns, c.scheduled_ns, c.finish_ns);
  if (!drift.unstable) return;
  result.status = Status::unstable;
  const auto text = [](double x) { return json::write_double(std::round(x * 1000) / 1000); };
  const std::string range = "from " + text(drift.first_wait_ms) + " ms to " +
                            text(drift.last_wait_ms) + " ms over the window";
  result.reason = drift.grows ? "the queue drifts up: waits grow by " + text(drift.excess_load) +
                                    " s per second of arrivals, " + range
                              : "the queue never empties: no request of the window waits less "
                                "than " +
                                    text(drift.least_wait_ms) + " ms; mean waits go " + range;
}

// From where gaps between tokens count: the arrival of the first request that a warm-up leaves in.
struct GapCut {
  std::int64_t arrivals = 0;  // before it
  Ns at = 0;
};

WarmupCut find_warmup(const Scenario& s, const Result& result, GapCut& cut) {
  if (std::holds_alternative<NoWarmup>(s.warmup)) return {};
  const bool some_failed = result.fleet.rejected + result.fleet.lost + result.totals.rejected > 0;
  const RequestColumns completed = some_failed ? completed_rows(result.requests) : RequestColumns{};
  const RequestColumns& counted = some_failed ? completed : result.requests;
  const WarmupCut warmup = warmup_cut(s.warmup, counted);
  cut = {};
  if (warmup.requests > 0) {
    const std::size_t first = rows_by_arrival(counted)[static_cast<std::size_t>(warmup.requests)];
    cut.at = counted.arrival_ns[first];
    cut.arrivals = some_failed ? std::ranges::count_if(result.requests.arrival_ns,
                                                       [&](Ns t) { return t < cut.at; })
                               : warmup.requests;
  }
  return warmup;
}

void finish_result(const Scenario& s, const Inputs& in, const WarmupCut& warmup, Result& result) {
  if (!warmup.steady) {
    result.warnings.emplace_back(
        "warmup: MSER-5 finds no steady part; the first half of the requests is left out");
  }
  result.summary = summarize(result.requests, result.totals, result.itl, s.slo, result.fleet,
                             in.control, warmup.requests);
  in.control.poll();
  judge_stability(s, result);
  if (s.record == Record::summary) result.requests = RequestColumns{};
}

template <class Replica>
void run_replica(const Scenario& s, const Inputs& in, const Setup& setup,
                 const StepTimeModel& model, const RequestTable& requests, const GapCut& cut,
                 Result& result) {
  Replica replica(setup.config, model, requests, s.mode, s.record, s.record_waterfall, in.control);
  if (cut.arrivals > 0) replica.ledger().count_gaps_from(cut.arrivals);
  if (s.record != Record::summary) replica.ledger().keep_first_tokens();
  replica.run();
  result.totals = replica.ledger().totals;
  result.itl = std::move(replica.ledger().itl());
  result.requests = std::move(replica.ledger().columns);
  result.steps = std::move(replica.recorder().steps);
  result.entries = std::move(replica.recorder().entries);
  if constexpr (requires { replica.heatmap(); }) result.heatmap = std::move(replica.heatmap());
}

}  // namespace

ReplicaSetup set_up_replica(const Scenario& s, const Inputs& in, const RequestTable& requests,
                            std::vector<std::string>& warnings) {
  ReplicaSetup setup = prepare(s, in, requests, warnings);
  check_requests(requests, setup.config);
  return setup;
}

StepTimeModel set_up_step_time(const Scenario& s, const Inputs& in, const ReplicaSetup& setup,
                               const RequestTable& requests, std::vector<std::string>& warnings) {
  StepTimeModel model = make_step_time(s.step_time, step_time_context(s, in, setup, requests));
  for (std::string& w : step_time_warnings(model)) warnings.push_back(std::move(w));
  return model;
}

namespace {

// A run without its summary.
Result run(const Scenario& s, const Inputs& in, const RequestTable& requests, const GapCut& cut) {
  Result result;
  if (s.fleet) {
    run_fleet(s, in, requests, cut.arrivals > 0 ? cut.at : kNever, result);
    return result;
  }
  const Setup setup = set_up_replica(s, in, requests, result.warnings);
  const StepTimeModel model = set_up_step_time(s, in, setup, requests, result.warnings);
  result.trust = step_time_trust(model);
  result.kv_budget = setup.budget;
  // Identities matter to prefix caching and to who records them; else a count is enough.
  const bool identities = s.engine.enable_prefix_caching || s.record == Record::all;
  if (setup.config.static_window_ns) {
    setup.config.contiguous
        ? run_replica<StaticReplica<RegionPool>>(s, in, setup, model, requests, cut, result)
        : run_replica<StaticReplica<CountPool>>(s, in, setup, model, requests, cut, result);
  } else if (setup.config.contiguous) {
    run_replica<Replica<RegionPool>>(s, in, setup, model, requests, cut, result);
  } else if (setup.config.batch_queue() > 1) {
    identities ? run_replica<QueuedReplica<BlockPool>>(s, in, setup, model, requests, cut, result)
               : run_replica<QueuedReplica<CountPool>>(s, in, setup, model, requests, cut, result);
  } else {
    identities ? run_replica<Replica<BlockPool>>(s, in, setup, model, requests, cut, result)
               : run_replica<Replica<CountPool>>(s, in, setup, model, requests, cut, result);
  }
  result.totals.num_gpu_blocks = setup.budget.num_gpu_blocks;
  result.totals.block_size = setup.config.block_size;
  // The column is there whenever a request may be turned away, whether or not one was.
  if (setup.config.preemption.reject) result.requests.outcome.resize(requests.prompt_tokens.size());
  in.control.poll();
  count_prompts(requests, result);
  complete_steps(result.steps, model);
  complete_columns(result.requests, requests, setup.config.front_end, s.record_waterfall);
  return result;
}

}  // namespace

Result simulate(const Scenario& s, const Inputs& in, const RequestTable& requests) {
  // Gaps between tokens are counted as they come, so the cut must be known before. A number of
  // requests is, on one server; else the run is made once more with what the first one found.
  GapCut cut;
  const auto* first = std::get_if<FirstRequests>(&s.warmup);
  if (first != nullptr && !s.fleet) cut.arrivals = first->num_requests;
  const std::int64_t known = cut.arrivals;
  Result result = run(s, in, requests, cut);
  const WarmupCut warmup = find_warmup(s, result, cut);
  if (cut.arrivals != known && result.itl.count() > 0) {
    result = {};
    result = run(s, in, requests, cut);
  }
  finish_result(s, in, warmup, result);
  return result;
}

Result simulate(const Scenario& s, const Inputs& in) {
  const bool keys = s.engine.enable_prefix_caching;
  return simulate(
      s, in,
      build_requests(s.workload, *in.datasets, s.engine.block_size, s.seed, keys, in.control));
}

}  // namespace kvsim
