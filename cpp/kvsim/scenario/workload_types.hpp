// Description of a workload: when requests arrive, how long they are, which prefixes they share.
// A new arrival process, length law or prefix structure is a struct here, one line in its variant
// and one overload in workload/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>

#include "kvsim/scenario/field.hpp"

namespace kvsim {

// ---- arrivals ----

struct Poisson {
  double rate_per_s = 1.0;
  static constexpr std::string_view kind = "poisson";
  static constexpr std::string_view type_name = "Poisson";
  static constexpr std::string_view doc = "Open loop with exponential gaps.";
  static constexpr auto fields() {
    return std::tuple{field(
        "rate_per_s", &Poisson::rate_per_s,
        {.unit = "1/s", .min = 0, .max = 1e9, .exclusive_min = true, .doc = "Offered rate."})};
  }
};

struct GammaArrivals {
  double rate_per_s = 1.0;
  double cv = 1.0;
  static constexpr std::string_view kind = "gamma";
  static constexpr std::string_view type_name = "Gamma";
  static constexpr std::string_view doc =
      "Open loop with gamma gaps (vllm bench's burstiness is 1/cv^2).";
  static constexpr auto fields() {
    return std::tuple{
        field("rate_per_s", &GammaArrivals::rate_per_s,
              {.unit = "1/s", .min = 0, .max = 1e9, .exclusive_min = true, .doc = "Offered rate."}),
        field("cv", &GammaArrivals::cv,
              {.min = 0.01,
               .max = 100,
               .doc = "Coefficient of variation of the gaps: 1 is Poisson, above is bursty."})};
  }
};

struct Deterministic {
  double rate_per_s = 1.0;
  static constexpr std::string_view kind = "deterministic";
  static constexpr std::string_view type_name = "Deterministic";
  static constexpr std::string_view doc = "Open loop with equal gaps.";
  static constexpr auto fields() {
    return std::tuple{field(
        "rate_per_s", &Deterministic::rate_per_s,
        {.unit = "1/s", .min = 0, .max = 1e9, .exclusive_min = true, .doc = "Offered rate."})};
  }
};

struct Burst {
  static constexpr std::string_view kind = "burst";
  static constexpr std::string_view type_name = "Burst";
  static constexpr std::string_view doc = "All requests arrive at time 0 (vllm bench's rate inf).";
  static constexpr auto fields() { return std::tuple{}; }
};

struct TraceArrivals {
  double time_scale = 1.0;
  std::optional<double> rate_per_s;
  static constexpr std::string_view kind = "trace";
  static constexpr std::string_view type_name = "TraceArrivals";
  static constexpr std::string_view doc =
      "The arrival times of the dataset that gives the lengths.";
  static constexpr auto fields() {
    return std::tuple{
        field("time_scale", &TraceArrivals::time_scale,
              {.min = 0,
               .max = 1e9,
               .exclusive_min = true,
               .doc = "Factor on the trace's times: 0.5 doubles the load."}),
        field("rate_per_s", &TraceArrivals::rate_per_s,
              {.unit = "1/s",
               .min = 0,
               .max = 1e9,
               .exclusive_min = true,
               .doc = "Scale the times to this mean offered rate instead of by time_scale."})};
  }
};

struct ClosedLoop {
  std::int64_t concurrency = 1;
  double think_time_ms = 0.0;
  static constexpr std::string_view kind = "closed_loop";
  static constexpr std::string_view type_name = "ClosedLoop";
  static constexpr std::string_view doc =
      "A fixed number of clients, each sends its next request when its last one has finished "
      "(vllm bench serve --max-concurrency).";
  static constexpr auto fields() {
    return std::tuple{field("concurrency", &ClosedLoop::concurrency,
                            {.unit = "requests", .min = 1, .max = 1 << 24, .doc = "Clients."}),
                      field("think_time_ms", &ClosedLoop::think_time_ms,
                            {.unit = "ms",
                             .min = 0,
                             .max = 1e9,
                             .doc = "Constant pause before the next request."})};
  }
};

using Arrivals =
    std::variant<Poisson, GammaArrivals, Deterministic, Burst, TraceArrivals, ClosedLoop>;

// ---- lengths ----

struct FixedLengths {
  std::int64_t prompt_tokens = 512;
  std::int64_t output_tokens = 128;
  static constexpr std::string_view kind = "fixed";
  static constexpr std::string_view type_name = "FixedLengths";
  static constexpr std::string_view doc = "Every request alike.";
  static constexpr auto fields() {
    return std::tuple{field("prompt_tokens", &FixedLengths::prompt_tokens,
                            {.unit = "tokens", .min = 1, .max = 1 << 30, .doc = "Prompt length."}),
                      field("output_tokens", &FixedLengths::output_tokens,
                            {.unit = "tokens", .min = 1, .max = 1 << 30, .doc = "Output length."})};
  }
};

struct UniformLengths {
  std::int64_t prompt_min_tokens = 256;
  std::int64_t prompt_max_tokens = 768;
  std::int64_t output_min_tokens = 64;
  std::int64_t output_max_tokens = 192;
  static constexpr std::string_view kind = "uniform";
  static constexpr std::string_view type_name = "UniformLengths";
  static constexpr std::string_view doc = "Integers uniform between two bounds, both included.";
  static constexpr auto fields() {
    using U = UniformLengths;
    return std::tuple{
        field("prompt_min_tokens", &U::prompt_min_tokens,
              {.unit = "tokens", .min = 1, .max = 1 << 30, .doc = "Shortest prompt."}),
        field("prompt_max_tokens", &U::prompt_max_tokens,
              {.unit = "tokens", .min = 1, .max = 1 << 30, .doc = "Longest prompt."}),
        field("output_min_tokens", &U::output_min_tokens,
              {.unit = "tokens", .min = 1, .max = 1 << 30, .doc = "Shortest output."}),
        field("output_max_tokens", &U::output_max_tokens,
              {.unit = "tokens", .min = 1, .max = 1 << 30, .doc = "Longest output."})};
  }
  void validate(std::string_view path) const;
};

struct LogNormalLengths {
  double prompt_mean_tokens = 1024;
  double prompt_cv = 1.0;
  double output_mean_tokens = 256;
  double output_cv = 1.0;
  std::int64_t prompt_max_tokens = 1 << 20;
  std::int64_t output_max_tokens = 1 << 20;
  static constexpr std::string_view kind = "lognormal";
  static constexpr std::string_view type_name = "LogNormalLengths";
  static constexpr std::string_view doc =
      "Log-normal lengths, rounded up to whole tokens and cut at a maximum (the mean is of the law "
      "before the cut).";
  static constexpr auto fields() {
    using U = LogNormalLengths;
    return std::tuple{
        field("prompt_mean_tokens", &U::prompt_mean_tokens,
              {.unit = "tokens", .min = 1, .max = 1e8, .doc = "Mean prompt length."}),
        field("prompt_cv", &U::prompt_cv,
              {.min = 0, .max = 100, .doc = "Coefficient of variation of the prompt length."}),
        field("output_mean_tokens", &U::output_mean_tokens,
              {.unit = "tokens", .min = 1, .max = 1e8, .doc = "Mean output length."}),
        field("output_cv", &U::output_cv,
              {.min = 0, .max = 100, .doc = "Coefficient of variation of the output length."}),
        field(
            "prompt_max_tokens", &U::prompt_max_tokens,
            {.unit = "tokens", .min = 1, .max = 1 << 30, .doc = "Longer prompts are cut to this."}),
        field("output_max_tokens", &U::output_max_tokens,
              {.unit = "tokens",
               .min = 1,
               .max = 1 << 30,
               .doc = "Longer outputs are cut to this."})};
  }
};

struct RandomRangeLengths {
  std::int64_t random_input_len = 1024;
  std::int64_t random_output_len = 128;
  double random_range_ratio = 0.0;
  static constexpr std::string_view kind = "random_range";
  static constexpr std::string_view type_name = "RandomRangeLengths";
  static constexpr std::string_view doc =
      "As vllm bench's random dataset: integers uniform in [floor(len (1 - ratio)), "
      "ceil(len (1 + ratio))], at least 1.";
  static constexpr auto fields() {
    using U = RandomRangeLengths;
    return std::tuple{
        field("random_input_len", &U::random_input_len,
              {.unit = "tokens", .min = 1, .max = 1 << 29, .doc = "Nominal prompt length."}),
        field("random_output_len", &U::random_output_len,
              {.unit = "tokens", .min = 1, .max = 1 << 29, .doc = "Nominal output length."}),
        field("random_range_ratio", &U::random_range_ratio,
              {.min = 0, .max = 0.999999, .doc = "Half width of the range, relative."})};
  }
};

enum class DatasetOrder { trace, resample };
template <>
struct EnumNames<DatasetOrder> {
  static constexpr std::string_view name = "DatasetOrder";
  static constexpr std::pair<DatasetOrder, std::string_view> values[] = {
      {DatasetOrder::trace, "trace"}, {DatasetOrder::resample, "resample"}};
};

struct DatasetLengths {
  std::string name;
  DatasetOrder order = DatasetOrder::trace;
  static constexpr std::string_view kind = "dataset";
  static constexpr std::string_view type_name = "DatasetLengths";
  static constexpr std::string_view shorthand = "name";
  static constexpr std::string_view doc =
      "Prompt and output lengths of a dataset's rows, in its order (from the start again when it "
      "ends) or drawn with replacement.";
  static constexpr auto fields() {
    return std::tuple{
        field("name", &DatasetLengths::name,
              {.doc = "A packaged dataset, or one handed over with the call.",
               .choices_from = "datasets"}),
        field("order", &DatasetLengths::order, {.doc = "Row order, or drawn with replacement."})};
  }
};

using Lengths = std::variant<FixedLengths, UniformLengths, LogNormalLengths, RandomRangeLengths,
                             DatasetLengths>;

// ---- shared prefixes ----

struct NoPrefixes {
  static constexpr std::string_view kind = "none";
  static constexpr std::string_view type_name = "NoPrefixes";
  static constexpr std::string_view doc = "No two requests share a prefix.";
  static constexpr auto fields() { return std::tuple{}; }
};

struct TracePrefixes {
  static constexpr std::string_view kind = "trace";
  static constexpr std::string_view type_name = "TracePrefixes";
  static constexpr std::string_view doc =
      "The dataset's own: its hash_ids (chained blocks), or its token ids.";
  static constexpr auto fields() { return std::tuple{}; }
};

struct PrefixGroups {
  std::int64_t num_groups = 10;
  std::int64_t prefix_tokens = 512;
  double zipf_exponent = 0.0;
  static constexpr std::string_view kind = "groups";
  static constexpr std::string_view type_name = "PrefixGroups";
  static constexpr std::string_view doc =
      "Each request begins with the prefix of a random group, set before its own prompt.";
  static constexpr auto fields() {
    using U = PrefixGroups;
    return std::tuple{
        field("num_groups", &U::num_groups, {.min = 1, .max = 1 << 24, .doc = "Groups."}),
        field("prefix_tokens", &U::prefix_tokens,
              {.unit = "tokens", .min = 1, .max = 1 << 29, .doc = "Length of a group's prefix."}),
        field("zipf_exponent", &U::zipf_exponent,
              {.min = 0, .max = 10, .doc = "Popularity of group g is (g+1)^-s; 0 = all alike."})};
  }
};

struct Sessions {
  std::int64_t turns = 4;
  double think_time_s = 10.0;
  static constexpr std::string_view kind = "sessions";
  static constexpr std::string_view type_name = "Sessions";
  static constexpr std::string_view doc =
      "Multi-turn chats: a turn's prompt is all of the session so far plus its own prompt tokens, "
      "and it arrives an exponential think time after the last answer; arrivals start sessions.";
  static constexpr auto fields() {
    return std::tuple{
        field("turns", &Sessions::turns, {.min = 1, .max = 1 << 20, .doc = "Turns of a session."}),
        field("think_time_s", &Sessions::think_time_s,
              {.unit = "s", .min = 0, .max = 1e6, .doc = "Mean think time between turns."})};
  }
};

using Prefixes = std::variant<NoPrefixes, TracePrefixes, PrefixGroups, Sessions>;

struct Workload {
  Arrivals arrivals = Poisson{};
  Lengths lengths = FixedLengths{};
  Prefixes prefixes = NoPrefixes{};
  std::optional<std::int64_t> num_requests;
  std::int64_t priority_levels = 1;

  static constexpr std::string_view type_name = "Workload";
  static constexpr std::string_view doc = "Requests: when they arrive, how long, what they share.";
  static constexpr auto fields() {
    return std::tuple{
        field("arrivals", &Workload::arrivals, {.doc = "When requests arrive."}),
        field("lengths", &Workload::lengths, {.doc = "Prompt and output lengths."}),
        field("prefixes", &Workload::prefixes, {.doc = "Which prompts begin alike."}),
        field("num_requests", &Workload::num_requests,
              {.unit = "requests",
               .min = 1,
               .max = 1e9,
               .doc = "Requests; null = the rows of the dataset."}),
        field(
            "priority_levels", &Workload::priority_levels,
            {.min = 1,
             .max = 1 << 20,
             .doc = "Priorities are uniform on 0..levels-1 (smaller first) unless the dataset has "
                    "its own."})};
  }
  void validate(std::string_view path) const;
};

}  // namespace kvsim
