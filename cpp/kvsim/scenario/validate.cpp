// Rules between fields; ranges of single fields are checked as they are read.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "kvsim/core/error.hpp"
#include "kvsim/scenario/field_json.hpp"
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

void EngineSpec::validate(std::string_view path) const {
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
  // A draft model takes one slot of the budget for each request on top of its tokens.
  if (spec_method == SpecMethod::draft_model && max_num_batched_tokens < 2) {
    bad_field(join_path(path, "max_num_batched_tokens"), text(max_num_batched_tokens),
              "2 or more with a draft model");
  }
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

void Scenario::validate(std::string_view path) const {
  refuse_newer(path, schema_version);
  validate_fleet(*this);
}

}  // namespace kvsim
