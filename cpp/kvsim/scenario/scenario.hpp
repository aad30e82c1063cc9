// A scenario as data: everything that a run depends on. Names, types, units, defaults, ranges and
// docs of all parameters stand here (and in the step-time models' own headers) once; the Python
// classes, the JSON form, validation, the CLI's help and docs/fields.md are made from them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "kvsim/kv/eviction/policies.hpp"
#include "kvsim/scenario/catalog_types.hpp"
#include "kvsim/scenario/field.hpp"
#include "kvsim/scenario/fleet_types.hpp"
#include "kvsim/scenario/memory_types.hpp"
#include "kvsim/scenario/speculation_types.hpp"
#include "kvsim/scenario/warmup_types.hpp"
#include "kvsim/scenario/workload_types.hpp"
#include "kvsim/step_time/models.hpp"

namespace kvsim {

enum class SchedulingPolicy { fcfs, priority };
template <>
struct EnumNames<SchedulingPolicy> {
  static constexpr std::string_view name = "SchedulingPolicy";
  static constexpr std::pair<SchedulingPolicy, std::string_view> values[] = {
      {SchedulingPolicy::fcfs, "fcfs"}, {SchedulingPolicy::priority, "priority"}};
};

enum class Record { summary, requests, steps, all };
template <>
struct EnumNames<Record> {
  static constexpr std::string_view name = "Record";
  static constexpr std::pair<Record, std::string_view> values[] = {{Record::summary, "summary"},
                                                                   {Record::requests, "requests"},
                                                                   {Record::steps, "steps"},
                                                                   {Record::all, "all"}};
};

enum class Mode { leap, step };
template <>
struct EnumNames<Mode> {
  static constexpr std::string_view name = "Mode";
  static constexpr std::pair<Mode, std::string_view> values[] = {{Mode::leap, "leap"},
                                                                 {Mode::step, "step"}};
};

struct EngineSpec {
  std::int64_t max_num_seqs = 256;
  std::optional<std::int64_t> max_num_active_seqs;
  std::int64_t max_num_batched_tokens = 8192;
  std::optional<std::int64_t> max_model_len;
  std::int64_t block_size = 16;
  std::optional<std::int64_t> num_gpu_blocks;
  double gpu_memory_utilization = 0.9;
  bool enable_prefix_caching = true;
  PrefixEviction prefix_eviction = eviction_of<Lru>();
  bool enable_chunked_prefill = true;
  SchedulingPolicy scheduling_policy = SchedulingPolicy::fcfs;
  PreemptionSpec preemption;
  KvAllocator kv_allocator = PagedAllocator{};
  Batching batching = ContinuousBatching{};
  std::int64_t long_prefill_token_threshold = 0;
  bool long_prefill_token_threshold_adaptive = false;
  bool scheduler_reserve_full_isl = true;
  double watermark = 0.0;
  std::int64_t prefill_schedule_interval = 1;
  std::optional<SpecMethod> spec_method;
  std::int64_t num_spec_tokens = 0;
  Acceptance spec_acceptance = HashAcceptance{};
  double spec_match_probability = 1;
  std::optional<DraftSpec> spec_draft;
  std::uint64_t spec_seed = 0;
  bool async_scheduling = false;
  double frontend_ms = 0;
  double frontend_us_per_prompt_token = 0;
  std::int64_t empty_sleep_ns = 0;

  // A version of an engine as it is deployed; `{"preset": NAME, ...}` in JSON, or NAME alone.
  static std::vector<std::string> preset_names();
  static std::optional<EngineSpec> preset(std::string_view name);

  static constexpr std::string_view type_name = "Engine";
  static constexpr std::string_view doc =
      "The serving engine of one replica; options that vLLM has carry vLLM's names.";
  static constexpr auto fields() {
    using E = EngineSpec;
    return std::tuple{
        field("max_num_seqs", &E::max_num_seqs,
              {.unit = "requests",
               .min = 1,
               .max = 1 << 20,
               .doc = "Most requests running at once."}),
        field("max_num_active_seqs", &E::max_num_active_seqs,
              {.unit = "requests",
               .min = 1,
               .max = 1 << 20,
               .doc = "Admission limit, null = max_num_seqs."}),
        field("max_num_batched_tokens", &E::max_num_batched_tokens,
              {.unit = "tokens", .min = 1, .max = 1 << 24, .doc = "Token budget of a step."}),
        field("max_model_len", &E::max_model_len,
              {.unit = "tokens",
               .min = 2,
               .max = 1 << 30,
               .doc = "Longest prompt plus output; null = the model's longest context, or with a "
                      "warning what the workload's longest request needs."}),
        field("block_size", &E::block_size,
              {.unit = "tokens", .min = 1, .max = 4096, .doc = "Tokens of a KV block."}),
        field("num_gpu_blocks", &E::num_gpu_blocks,
              {.unit = "blocks",
               .min = 2,
               .max = 1 << 30,
               .doc = "KV blocks, of which vLLM keeps one as null block; null = computed from the "
                      "GPU's memory."}),
        field(
            "gpu_memory_utilization", &E::gpu_memory_utilization,
            {.min = 0.01, .max = 1.0, .doc = "Share of the GPU's memory that the engine may use."}),
        field("enable_prefix_caching", &E::enable_prefix_caching,
              {.doc = "Keep full blocks of finished requests for equal prefixes."}),
        field(
            "prefix_eviction", &E::prefix_eviction,
            {.doc = "Which block the prefix cache gives up first; lru is vLLM's, belady knows the "
                    "requests to come."}),
        field("enable_chunked_prefill", &E::enable_chunked_prefill,
              {.doc = "Split prompts that exceed the token budget."}),
        field("scheduling_policy", &E::scheduling_policy,
              {.doc = "Order of the waiting queue and choice of preemption victims."}),
        field("preemption", &E::preemption,
              {.doc = "What happens when no block is free for a running request."}),
        field("kv_allocator", &E::kv_allocator, {.doc = "How KV memory is handed out."}),
        field("batching", &E::batching, {.doc = "When requests join and leave a batch."}),
        field("long_prefill_token_threshold", &E::long_prefill_token_threshold,
              {.unit = "tokens",
               .min = 0,
               .max = 1 << 24,
               .doc = "Longest prompt chunk while other requests are present, 0 = off."}),
        field("long_prefill_token_threshold_adaptive", &E::long_prefill_token_threshold_adaptive,
              {.doc = "Raise the threshold to budget / requests."}),
        field("scheduler_reserve_full_isl", &E::scheduler_reserve_full_isl,
              {.doc = "Admit a request only if its whole prompt fits in the free blocks."}),
        field("watermark", &E::watermark,
              {.min = 0, .max = 1, .doc = "Share of the blocks that admissions must leave free."}),
        field(
            "prefill_schedule_interval", &E::prefill_schedule_interval,
            {.unit = "steps", .min = 1, .max = 1 << 20, .doc = "Prefill at most every n-th step."}),
        field("spec_method", &E::spec_method,
              {.doc = "Speculative decoding: null, ngram (no draft slots), draft_model, or mtp: "
                      "layers of the model itself that draft (multi-token prediction)."}),
        field("num_spec_tokens", &E::num_spec_tokens,
              {.unit = "tokens", .min = 0, .max = 1024, .doc = "Drafted tokens a step, 0 = off."}),
        field("spec_acceptance", &E::spec_acceptance,
              {.doc = "How drafts are accepted, each drawn by itself."}),
        field("spec_match_probability", &E::spec_match_probability,
              {.min = 0,
               .max = 1,
               .doc = "With ngram: probability that a step finds a match and proposes "
                      "num_spec_tokens, else none."}),
        field("spec_draft", &E::spec_draft,
              {.doc = "What drafts; null = drafting takes neither time nor memory."}),
        field("spec_seed", &E::spec_seed, {.doc = "Seed of the acceptance law hash."}),
        field("async_scheduling", &E::async_scheduling,
              {.doc = "Schedule the next step before the output of the current one is known."}),
        field(
            "frontend_ms", &E::frontend_ms,
            {.unit = "ms",
             .min = 0,
             .max = 1e6,
             .doc =
                 "Time from sending a request until the scheduler may see it (HTTP, tokeniser)."}),
        field("frontend_us_per_prompt_token", &E::frontend_us_per_prompt_token,
              {.unit = "us", .min = 0, .max = 1e3, .doc = "The same for each prompt token."}),
        field("empty_sleep_ns", &E::empty_sleep_ns,
              {.unit = "ns",
               .min = 0,
               .max = 1e9,
               .doc = "Pause of the engine loop after a call that could schedule nothing, with "
                      "batches in flight."})};
  }
  void validate(std::string_view path) const;
};

struct Slo {
  std::optional<double> ttft_ms;
  std::optional<double> tpot_ms;
  std::optional<double> e2e_ms;

  static constexpr std::string_view type_name = "SLO";
  static constexpr std::string_view doc =
      "Service-level objective; goodput counts requests within every limit that is set.";
  static constexpr auto fields() {
    return std::tuple{
        field("ttft_ms", &Slo::ttft_ms,
              {.unit = "ms", .min = 0, .exclusive_min = true, .doc = "Time to first token."}),
        field("tpot_ms", &Slo::tpot_ms,
              {.unit = "ms",
               .min = 0,
               .exclusive_min = true,
               .doc = "Mean time per output token after the first."}),
        field("e2e_ms", &Slo::e2e_ms,
              {.unit = "ms", .min = 0, .exclusive_min = true, .doc = "Arrival to last token."})};
  }
};

// Servers of one kind within a fleet; what is null is the scenario's.
struct ReplicaGroup {
  std::int64_t count = 1;
  double weight = 1;
  std::optional<std::variant<std::string, GpuSpec>> gpu;
  std::optional<std::int64_t> tensor_parallel_size;
  std::optional<EngineSpec> engine;
  std::optional<OneShotSpec> one_shot;

  static constexpr std::string_view type_name = "ReplicaGroup";
  static constexpr std::string_view doc = "Servers of one kind; what is null is the scenario's.";
  static constexpr auto fields() {
    using G = ReplicaGroup;
    return std::tuple{
        field("count", &G::count, {.unit = "servers", .min = 1, .max = 1e5, .doc = "How many."}),
        field("weight", &G::weight,
              {.min = 0, .max = 1e9, .doc = "Weight of each, for the weighted router."}),
        field("gpu", &G::gpu, {.doc = "Another GPU.", .choices_from = "gpus"}),
        field("tensor_parallel_size", &G::tensor_parallel_size,
              {.unit = "GPUs", .min = 1, .max = 1024, .doc = "Another degree."}),
        field("engine", &G::engine, {.doc = "Another engine."}),
        field("one_shot", &G::one_shot, {.doc = "Another one-shot server."})};
  }
};

struct FleetSpec {
  std::int64_t num_servers = 1;
  ServerSpec server = TokenServerSpec{};
  std::vector<ReplicaGroup> groups;
  RouterSpec router = routing::RoundRobinSpec{};
  std::optional<std::int64_t> max_outstanding;
  std::optional<std::int64_t> max_server_outstanding;
  GatewaySpec gateway;
  std::optional<LinkSpec> uplink;
  std::optional<LinkSpec> downlink;
  FanOutSpec fan_out;
  HedgeSpec hedge = NoHedge{};
  std::vector<OutageSpec> outages;
  std::optional<RandomOutagesSpec> random_outages;
  OnFailure on_failure = OnFailure::retry;
  std::vector<double> deadlines_ms;
  std::optional<PowerSpec> power;

  static constexpr std::string_view type_name = "Fleet";
  static constexpr std::string_view doc = "Several servers behind one gateway.";
  static constexpr auto fields() {
    using F = FleetSpec;
    return std::tuple{
        field("num_servers", &F::num_servers,
              {.unit = "servers",
               .min = 1,
               .max = 1e5,
               .doc = "Servers, all alike; with groups, their counts stand instead."}),
        field("server", &F::server,
              {.doc = "What serves: token-level replicas or one-shot servers."}),
        field("groups", &F::groups, {.doc = "Servers of several kinds, in this order."}),
        field("router", &F::router, {.doc = "Which server gets a sub-request."}),
        field("max_outstanding", &F::max_outstanding,
              {.unit = "requests",
               .min = 1,
               .max = 1e9,
               .doc = "Admission limit: arrivals beyond it are rejected; null = none."}),
        field("max_server_outstanding", &F::max_server_outstanding,
              {.unit = "sub-requests",
               .min = 1,
               .max = 1e9,
               .doc = "Most sub-requests waiting and running at a server: one routed to a full "
                      "server is rejected; null = none."}),
        field("gateway", &F::gateway, {.doc = "Batch window before the servers."}),
        field("uplink", &F::uplink, {.doc = "Network to a server; null = no delay."}),
        field("downlink", &F::downlink, {.doc = "Network back from a server; null = no delay."}),
        field("fan_out", &F::fan_out, {.doc = "Parallel sub-requests of a request."}),
        field("hedge", &F::hedge, {.doc = "Second copies of slow sub-requests."}),
        field("outages", &F::outages, {.doc = "Failures at given times."}),
        field("random_outages", &F::random_outages, {.doc = "Failures at random; null = none."}),
        field("on_failure", &F::on_failure,
              {.doc = "What becomes of a failed server's sub-requests: sent anew, or lost."}),
        field(
            "deadlines_ms", &F::deadlines_ms,
            {.unit = "ms",
             .min = 0,
             .max = 1e9,
             .doc = "Deadline after the arrival, by priority (the last one stands for all beyond); "
                    "none = no deadlines."}),
        field("power", &F::power, {.doc = "Energy; null = not computed."})};
  }
  [[nodiscard]] bool one_shot() const { return std::holds_alternative<OneShotSpec>(server); }
  [[nodiscard]] std::int64_t servers() const {
    if (groups.empty()) return num_servers;
    std::int64_t sum = 0;
    for (const ReplicaGroup& g : groups) sum += g.count;
    return sum;
  }
  void validate(std::string_view path) const;
};

struct Scenario {
  static constexpr std::int64_t current_schema_version = 1;
  std::int64_t schema_version = current_schema_version;
  std::optional<std::variant<std::string, ModelSpec>> model;
  std::optional<std::variant<std::string, GpuSpec>> gpu;
  std::int64_t tensor_parallel_size = 1;
  std::int64_t pipeline_parallel_size = 1;
  WeightDtype weight_dtype = WeightDtype::bf16;
  KvCacheDtype kv_cache_dtype = KvCacheDtype::automatic;
  EngineSpec engine;
  StepTimeSpec step_time = Kernels{};
  Workload workload;
  std::optional<FleetSpec> fleet;
  Slo slo;
  Warmup warmup = NoWarmup{};
  Record record = Record::requests;
  bool record_waterfall = true;
  RecordMemory record_memory = RecordMemory::none;
  Mode mode = Mode::leap;
  std::uint64_t seed = 0;

  static constexpr std::string_view type_name = "Scenario";
  static constexpr std::string_view doc = "Everything that a simulation depends on.";
  static constexpr auto fields() {
    using S = Scenario;
    return std::tuple{
        field("schema_version", &S::schema_version,
              {.min = 1, .doc = "Version of this description."}),
        field("model", &S::model,
              {.doc = "Catalogue name or inline model; needed by the step times kernels and "
                      "roofline and by a computed KV pool.",
               .choices_from = "models"}),
        field("gpu", &S::gpu,
              {.doc = "Catalogue name or inline GPU; needed like the model.",
               .choices_from = "gpus"}),
        field("tensor_parallel_size", &S::tensor_parallel_size,
              {.unit = "GPUs", .min = 1, .max = 1024, .doc = "GPUs that share every layer."}),
        field("pipeline_parallel_size", &S::pipeline_parallel_size,
              {.unit = "stages",
               .min = 1,
               .max = 256,
               .doc = "Stages that share the layers, each with its own batch."}),
        field("weight_dtype", &S::weight_dtype, {.doc = "Data type of the weights."}),
        field("kv_cache_dtype", &S::kv_cache_dtype,
              {.doc = "Data type of the KV cache; auto = 16 bits."}),
        field("engine", &S::engine, {.doc = "The serving engine."}),
        field("step_time", &S::step_time, {.doc = "How long a step takes."}),
        field("workload", &S::workload, {.doc = "Requests and when they arrive."}),
        field("fleet", &S::fleet, {.doc = "Several servers behind a gateway; null = one replica."}),
        field("slo", &S::slo, {.doc = "Limits that goodput counts by."}),
        field("warmup", &S::warmup, {.doc = "First requests that the summary leaves out."}),
        field(
            "record", &S::record,
            {.doc = "What is kept: summary, requests (a row a request), steps (and a row a step), "
                    "all (and a row a scheduled request, block identities)."}),
        field("record_waterfall", &S::record_waterfall,
              {.doc = "Keep where each request's time went."}),
        field("record_memory", &S::record_memory,
              {.doc =
                   "Account for every slot of the KV memory: classes gives the share of each class "
                   "over time, heatmap also a picture of the memory."}),
        field("mode", &S::mode,
              {.doc = "leap evaluates runs of decode steps lazily, step is the definition; both "
                      "give the same bits."}),
        field("seed", &S::seed, {.doc = "Seed of every random stream."})};
  }
  void validate(std::string_view path) const;
  // Readers ask this first: fields that a newer version has would be errors of another kind.
  static void refuse_newer(std::string_view path, std::int64_t version);
};

// A fleet's rules with the rest of its scenario (validate_fleet.cpp).
void validate_fleet(const Scenario& scenario);

}  // namespace kvsim
