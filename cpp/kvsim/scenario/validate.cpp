// Rules between fields; ranges of single fields are checked as they are read.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "kvsim/core/error.hpp"
#include "kvsim/scenario/field_json.hpp"
#include "kvsim/scenario/json.hpp"
#include "kvsim/scenario/scenario.hpp"

namespace kvsim {

namespace {

using detail::join_path;

std::string text(std::int64_t value) { return std::to_string(value); }

void check_order(std::string_view path, std::string_view low_name, std::int64_t low,
                 std::string_view high_name, std::int64_t high) {
  if (low <= high) return;
  bad_field(join_path(path, low_name), text(low),
            "at most " + std::string(high_name) + " = " + text(high));
}

// Sizes have no default that means anything: one that is 0 was left out.
template <class T>
void check_given(const T& object, std::string_view path,
                 std::initializer_list<std::pair<std::string_view, double>> sizes) {
  for (const auto& [name, value] : sizes) {
    if (value > 0) continue;
    bad_field(join_path(path, name), "nothing",
              "a number above 0, which " + std::string(T::type_name) + " " + quoted(object.name) +
                  " needs");
  }
}

template <class Variant>
std::string kind_of(const Variant& variant) {
  return quoted(std::visit([](const auto& v) { return std::string(v.kind); }, variant));
}

}  // namespace

void ModelSpec::validate(std::string_view path) const {
  const auto size = [](std::int64_t value) { return static_cast<double>(value); };
  check_given(*this, path,
              {{"layers", size(layers)},
               {"hidden_size", size(hidden_size)},
               {"intermediate_size", size(intermediate_size)},
               {"heads", size(heads)},
               {"kv_heads", size(kv_heads)},
               {"head_dim", size(head_dim)},
               {"vocab_size", size(vocab_size)},
               {"max_position_embeddings", size(max_position_embeddings)}});
  if (heads % kv_heads != 0) {
    bad_field(join_path(path, "kv_heads"), text(kv_heads), "a divisor of heads = " + text(heads));
  }
  if (num_experts == 0) {
    if (experts_per_token != 0) {
      bad_field(join_path(path, "experts_per_token"), text(experts_per_token),
                "0, since num_experts is 0");
    }
    if (moe_intermediate_size != 0) {
      bad_field(join_path(path, "moe_intermediate_size"), text(moe_intermediate_size),
                "0, since num_experts is 0");
    }
    return;
  }
  if (experts_per_token < 1 || experts_per_token > num_experts) {
    bad_field(join_path(path, "experts_per_token"), text(experts_per_token),
              "1 to num_experts = " + text(num_experts));
  }
  if (moe_intermediate_size < 1) {
    bad_field(join_path(path, "moe_intermediate_size"), text(moe_intermediate_size),
              "1 or more, since there are experts");
  }
}

void GpuSpec::validate(std::string_view path) const {
  check_given(*this, path,
              {{"memory_bytes", memory_bytes},
               {"hbm_bytes_per_s", hbm_bytes_per_s},
               {"flops_fp16", flops_fp16},
               {"sms", static_cast<double>(sms)},
               {"link_bytes_per_s", link_bytes_per_s},
               {"pcie_bytes_per_s", pcie_bytes_per_s}});
  if (idle_w > tdp_w) {
    bad_field(join_path(path, "idle_w"), json::write_double(idle_w),
              "at most tdp_w = " + json::write_double(tdp_w));
  }
  for (const std::string& dtype : dtypes) {
    std::string allowed;
    bool known = false;
    for (const auto& entry : EnumNames<WeightDtype>::values) {
      known = known || entry.second == dtype;
      allowed += (allowed.empty() ? "" : ", ") + std::string(entry.second);
    }
    if (!known) bad_field(join_path(path, "dtypes"), quoted(dtype), allowed);
  }
}

void UniformLengths::validate(std::string_view path) const {
  check_order(path, "prompt_min_tokens", prompt_min_tokens, "prompt_max_tokens", prompt_max_tokens);
  check_order(path, "output_min_tokens", output_min_tokens, "output_max_tokens", output_max_tokens);
}

void Workload::validate(std::string_view path) const {
  const bool from_dataset = std::holds_alternative<DatasetLengths>(lengths);
  if (from_dataset && std::get<DatasetLengths>(lengths).name.empty()) {
    bad_field(join_path(path, "lengths.name"), quoted(""), "the name of a dataset");
  }
  if (!num_requests && !from_dataset) {
    bad_field(join_path(path, "num_requests"), "null",
              "1 or more; null only if lengths is of kind \"dataset\", whose rows it then means");
  }
  if (const auto* trace = std::get_if<TraceArrivals>(&arrivals)) {
    if (!from_dataset) {
      bad_field(join_path(path, "arrivals"), quoted("trace"),
                "another kind, or lengths of kind \"dataset\", whose times it takes; they are " +
                    kind_of(lengths));
    }
    if (trace->rate_per_s && trace->time_scale != 1.0) {
      bad_field(join_path(path, "arrivals.time_scale"), json::write_double(trace->time_scale),
                "1 if rate_per_s is set, which scales the times itself");
    }
  }
  if (std::holds_alternative<TracePrefixes>(prefixes) && !from_dataset) {
    bad_field(join_path(path, "prefixes"), quoted("trace"),
              "another kind, or lengths of kind \"dataset\", whose prefixes it takes; they are " +
                  kind_of(lengths));
  }
  if (std::holds_alternative<Sessions>(prefixes) && std::holds_alternative<ClosedLoop>(arrivals)) {
    bad_field(join_path(path, "prefixes"), quoted("sessions"),
              "another kind, or open-loop arrivals: sessions are loops of their own");
  }
}

namespace {

// Refuses the first field that differs from what is allowed.
void refuse_changed(const PreemptionSpec& given, const PreemptionSpec& allowed,
                    std::string_view path, std::string_view why) {
  const json::Value got = to_json(given);
  const json::Value only = to_json(allowed);
  for (const auto& [name, value] : got.if_object()->members()) {
    const std::string here = json::write(value);
    const std::string there = json::write(*only.if_object()->find(name));
    if (here != there) bad_field(join_path(path, name), here, there + " " + std::string(why));
  }
}

// What a contiguous allocator and request-level batches have no use for.
void check_unpaged(const EngineSpec& e, std::string_view path, std::string_view what) {
  const std::string with = "with " + std::string(what);
  if (e.enable_prefix_caching) {
    bad_field(join_path(path, "enable_prefix_caching"), "true",
              "false " + with + ": there are no blocks to share");
  }
  if (e.async_scheduling) {
    bad_field(join_path(path, "async_scheduling"), "true",
              "false " + with + ", which has one batch at a time");
  }
  refuse_changed(e.preemption, PreemptionSpec{}, join_path(path, "preemption"),
                 with + ", where nobody is preempted");
  if (e.watermark > 0) {
    bad_field(join_path(path, "watermark"), json::write_double(e.watermark),
              "0 " + with + ": nothing grows");
  }
  if (!e.scheduler_reserve_full_isl) {
    bad_field(join_path(path, "scheduler_reserve_full_isl"), "false",
              "true " + with + ": a request is admitted with all that it will fill");
  }
}

void check_preemption(const PreemptionSpec& p, std::string_view path) {
  if (p.at_limit == PreemptionLimit::reject && !p.max_per_request && !p.max_per_s) {
    bad_field(join_path(path, "at_limit"), quoted("reject"),
              "wait without max_per_request or max_per_s: there is no limit to reject at");
  }
  if (p.mode != PreemptionMode::swap) {
    PreemptionSpec rest = p;
    rest.swap_space_gib = PreemptionSpec{}.swap_space_gib;
    rest.swap_gb_per_s.reset();
    rest.swap_overlap = false;
    refuse_changed(p, rest, path, "unless mode is \"swap\"");
  }
  if (p.mode == PreemptionMode::none) {
    PreemptionSpec rest;
    rest.mode = PreemptionMode::none;
    refuse_changed(p, rest, path, "with mode \"none\", where nobody is preempted");
  }
}

void check_draft(const EngineSpec& e, std::string_view path) {
  if (!e.spec_draft) return;
  const auto name = join_path(path, "spec_draft.model");
  if (e.spec_draft->model && e.spec_method != SpecMethod::draft_model) {
    bad_field(name, "a model",
              "null with spec_method " + quoted(enum_name(*e.spec_method)) +
                  ", which needs no other model");
  }
  if (e.spec_method == SpecMethod::draft_model && !e.spec_draft->model && !e.num_gpu_blocks) {
    bad_field(name, "null",
              "one of the catalogue, whose weights and KV come out of the GPU's memory, or a value "
              "of engine.num_gpu_blocks");
  }
}

void check_speculation(const EngineSpec& e, std::string_view path) {
  const bool hash = std::holds_alternative<HashAcceptance>(e.spec_acceptance);
  if (!e.spec_method) {
    constexpr std::string_view why = ", since spec_method is null";
    if (!hash) {
      bad_field(join_path(path, "spec_acceptance"), kind_of(e.spec_acceptance),
                "its default" + std::string(why));
    }
    if (e.spec_draft) {
      bad_field(join_path(path, "spec_draft"), "an object", "null" + std::string(why));
    }
  } else {
    // A draft model takes one slot of the budget for each request on top of its tokens.
    const std::int64_t slots = e.spec_method == SpecMethod::draft_model ? 2 : 1;
    if (e.num_spec_tokens + slots > e.max_num_batched_tokens) {
      bad_field(join_path(path, "num_spec_tokens"), text(e.num_spec_tokens),
                "at most max_num_batched_tokens - " + text(slots) + " = " +
                    text(e.max_num_batched_tokens - slots));
    }
    check_draft(e, path);
  }
  if (e.spec_match_probability != 1 && (hash || e.spec_method != SpecMethod::ngram)) {
    bad_field(join_path(path, "spec_match_probability"),
              json::write_double(e.spec_match_probability),
              "1 unless spec_method is \"ngram\" with another acceptance than \"hash\"");
  }
  const auto* places = std::get_if<AcceptanceByPosition>(&e.spec_acceptance);
  if (places != nullptr && static_cast<std::int64_t>(places->alphas.size()) != e.num_spec_tokens) {
    bad_field(join_path(path, "spec_acceptance.alphas"),
              text(static_cast<std::int64_t>(places->alphas.size())) + " values",
              "num_spec_tokens = " + text(e.num_spec_tokens));
  }
}

}  // namespace

void ContiguousAllocator::validate(std::string_view path) const {
  if (fraction != 1.0 && reservation != Reservation::fraction) {
    bad_field(join_path(path, "fraction"), json::write_double(fraction),
              "1 unless reservation is \"fraction\"");
  }
  if (max_tokens && reservation != Reservation::max && reservation != Reservation::fraction) {
    bad_field(join_path(path, "max_tokens"), text(*max_tokens),
              "null unless reservation is \"max\" or \"fraction\"");
  }
}

void BetaAcceptance::validate(std::string_view path) const {
  if (sd > 0 && sd * sd >= mean * (1 - mean)) {
    bad_field(join_path(path, "sd"), json::write_double(sd),
              "0, or below sqrt(mean (1 - mean)) with mean = " + json::write_double(mean));
  }
}

void EngineSpec::validate(std::string_view path) const {
  check_preemption(preemption, join_path(path, "preemption"));
  if (std::holds_alternative<ContiguousAllocator>(kv_allocator)) {
    check_unpaged(*this, path, "a contiguous kv_allocator");
  }
  if (std::holds_alternative<StaticBatching>(batching)) {
    check_unpaged(*this, path, "static batching");
    if (spec_method) {
      bad_field(join_path(path, "spec_method"), quoted(enum_name(*spec_method)),
                "null with static batching");
    }
    const std::string_view why = " with static batching: a batch's prompts come before all else";
    if (long_prefill_token_threshold > 0) {
      bad_field(join_path(path, "long_prefill_token_threshold"), text(long_prefill_token_threshold),
                "0" + std::string(why));
    }
    if (prefill_schedule_interval != 1) {
      bad_field(join_path(path, "prefill_schedule_interval"), text(prefill_schedule_interval),
                "1" + std::string(why));
    }
  }
  if (!enable_prefix_caching && prefix_eviction != eviction_of<Lru>()) {
    bad_field(join_path(path, "prefix_eviction"), quoted(enum_name(prefix_eviction)),
              "\"lru\", since enable_prefix_caching is false");
  }
  if (prefix_eviction == eviction_of<Belady>() && scheduling_policy == SchedulingPolicy::priority) {
    bad_field(join_path(path, "prefix_eviction"), quoted("belady"),
              "another policy with scheduling_policy \"priority\": the order in which requests are "
              "admitted is not known before the run");
  }
  if (spec_method.has_value() != (num_spec_tokens > 0)) {
    bad_field(join_path(path, "num_spec_tokens"), text(num_spec_tokens),
              spec_method ? "1 or more, since spec_method is set" : "0, since spec_method is null");
  }
  if (num_spec_tokens > 0 && long_prefill_token_threshold > 0 &&
      long_prefill_token_threshold < 1 + num_spec_tokens) {
    bad_field(join_path(path, "long_prefill_token_threshold"), text(long_prefill_token_threshold),
              "0, or 1 + num_spec_tokens = " + text(1 + num_spec_tokens) + " or more");
  }
  check_speculation(*this, path);
  if (max_num_batched_tokens < max_num_seqs) {
    bad_field(join_path(path, "max_num_batched_tokens"), text(max_num_batched_tokens),
              "max_num_seqs = " + text(max_num_seqs) + " or more, as vLLM demands");
  }
  if (!enable_chunked_prefill && max_model_len && max_num_batched_tokens < *max_model_len) {
    bad_field(join_path(path, "max_num_batched_tokens"), text(max_num_batched_tokens),
              "max_model_len = " + text(*max_model_len) +
                  " or more, since enable_chunked_prefill is false");
  }
}

void Scenario::refuse_newer(std::string_view path, std::int64_t version) {
  if (version <= current_schema_version) return;
  bad_field(join_path(path, "schema_version"), text(version),
            "at most " + text(current_schema_version) +
                ", what this version of kvsim knows (a newer one wrote this)");
}

namespace {

// An engine, at `path`, with what the scenario says beside it.
void check_engine(const Scenario& s, const EngineSpec& e, std::string_view path) {
  const bool in_flight = e.async_scheduling || s.pipeline_parallel_size > 1;
  if (in_flight) {
    refuse_changed(e.preemption, PreemptionSpec{}, join_path(path, "preemption"),
                   "with batches in flight (async_scheduling, pipeline_parallel_size > 1): a "
                   "victim's output may be under way, and only vLLM's own rules say what becomes "
                   "of it");
  }
  const std::string_view unpaged = std::holds_alternative<StaticBatching>(e.batching)
                                       ? "with static batching"
                                   : std::holds_alternative<ContiguousAllocator>(e.kv_allocator)
                                       ? "with a contiguous kv_allocator"
                                       : "";
  if (s.pipeline_parallel_size > 1 && !unpaged.empty()) {
    bad_field("pipeline_parallel_size", text(s.pipeline_parallel_size),
              "1 " + std::string(unpaged) + ", which has one batch at a time");
  }
  if (s.fleet && std::holds_alternative<StaticBatching>(e.batching)) {
    bad_field(join_path(path, "batching"), quoted("static"),
              "\"continuous\" in a fleet: a request-level batch waits until nobody is left to "
              "come, which a replica of a fleet does not know");
  }
  if (s.record == Record::all && !unpaged.empty()) {
    bad_field("record", quoted("all"),
              "summary, requests or steps " + std::string(unpaged) +
                  ": there are no blocks with identities");
  }
  if (s.record_memory == RecordMemory::none) return;
  const std::string_view got = enum_name(s.record_memory);
  if (in_flight) {
    bad_field("record_memory", quoted(got),
              "\"none\" with batches in flight (async_scheduling, pipeline_parallel_size > 1): a "
              "slot may be in use and its token not computed");
  }
  if (e.spec_method) {
    bad_field("record_memory", quoted(got),
              "\"none\" with speculative decoding: slots of drafts are in no class");
  }
}

}  // namespace

void Scenario::validate(std::string_view path) const {
  refuse_newer(path, schema_version);
  check_engine(*this, engine, join_path(path, "engine"));
  if (!fleet) return;
  validate_fleet(*this);
  for (std::size_t i = 0; i < fleet->groups.size(); ++i) {
    const auto& own = fleet->groups[i].engine;
    if (own) check_engine(*this, *own, "fleet.groups." + std::to_string(i) + ".engine");
  }
}

}  // namespace kvsim
