// Speculative decoding as part of a scenario: who drafts, what that takes, how much is accepted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "kvsim/scenario/catalog_types.hpp"
#include "kvsim/scenario/field.hpp"
#include "kvsim/step_time/models.hpp"

namespace kvsim {

enum class SpecMethod { ngram, draft_model, mtp };
template <>
struct EnumNames<SpecMethod> {
  static constexpr std::string_view name = "SpecMethod";
  static constexpr std::pair<SpecMethod, std::string_view> values[] = {
      {SpecMethod::ngram, "ngram"},
      {SpecMethod::draft_model, "draft_model"},
      {SpecMethod::mtp, "mtp"}};
};

// ---- acceptance: of each draft, given that all before it in its pass were accepted ----

struct HashAcceptance {
  static constexpr std::string_view kind = "hash";
  static constexpr std::string_view type_name = "HashAcceptance";
  static constexpr std::string_view doc =
      "The law of the recordings: proposed and accepted drafts uniform on 0..num_spec_tokens, a "
      "hash of spec_seed, request and output.";
  static constexpr auto fields() { return std::tuple{}; }
};

struct ConstantAcceptance {
  double alpha = 0.7;
  static constexpr std::string_view kind = "constant";
  static constexpr std::string_view type_name = "ConstantAcceptance";
  static constexpr std::string_view doc =
      "Each draft is accepted with the same probability (Leviathan et al., 2023).";
  static constexpr auto fields() {
    return std::tuple{
        field("alpha", &ConstantAcceptance::alpha,
              {.min = 0, .max = 1, .doc = "Probability if all drafts before it were accepted."})};
  }
};

struct BetaAcceptance {
  double mean = 0.7;
  double sd = 0.1;
  static constexpr std::string_view kind = "beta";
  static constexpr std::string_view type_name = "BetaAcceptance";
  static constexpr std::string_view doc =
      "Each request has a probability of its own, from a beta law.";
  static constexpr auto fields() {
    using B = BetaAcceptance;
    return std::tuple{field("mean", &B::mean, {.min = 0, .max = 1, .doc = "Mean over requests."}),
                      field("sd", &B::sd,
                            {.min = 0,
                             .max = 0.5,
                             .doc = "Standard deviation over requests, below sqrt(mean (1 - "
                                    "mean)); 0: all have the mean."})};
  }
  void validate(std::string_view path) const;
};

struct AcceptanceByPosition {
  std::vector<double> alphas;
  static constexpr std::string_view kind = "by_position";
  static constexpr std::string_view type_name = "AcceptanceByPosition";
  static constexpr std::string_view doc =
      "Measured: each place among the drafts of a pass has a probability of its own.";
  static constexpr auto fields() {
    return std::tuple{field("alphas", &AcceptanceByPosition::alphas,
                            {.min = 0,
                             .max = 1,
                             .doc = "Of the first draft, of the second if the first was accepted, "
                                    "...: one for each of num_spec_tokens."})};
  }
};

using Acceptance =
    std::variant<HashAcceptance, ConstantAcceptance, BetaAcceptance, AcceptanceByPosition>;

// ---- who drafts ----

struct DraftSpec {
  std::optional<std::variant<std::string, ModelSpec>> model;
  std::int64_t mtp_layers = 1;
  std::optional<std::int64_t> tensor_parallel_size;
  WeightDtype weight_dtype = WeightDtype::bf16;
  KvCacheDtype kv_cache_dtype = KvCacheDtype::automatic;
  StepTimeSpec step_time = Kernels{};

  static constexpr std::string_view type_name = "Draft";
  static constexpr std::string_view doc = "What drafts, and how long its own steps take.";
  static constexpr auto fields() {
    using D = DraftSpec;
    return std::tuple{
        field("model", &D::model,
              {.doc = "Draft model; its weights and its KV come out of the GPUs' memory. Null with "
                      "ngram and mtp.",
               .choices_from = "models"}),
        field("mtp_layers", &D::mtp_layers,
              {.unit = "layers",
               .min = 1,
               .max = 10000,
               .doc = "With mtp: layers like the model's own that draft; embeddings are shared."}),
        field("tensor_parallel_size", &D::tensor_parallel_size,
              {.unit = "GPUs",
               .min = 1,
               .max = 1024,
               .doc = "GPUs that share the draft model; null = as many as the model."}),
        field("weight_dtype", &D::weight_dtype, {.doc = "Data type of the draft's weights."}),
        field("kv_cache_dtype", &D::kv_cache_dtype, {.doc = "Data type of the draft's KV cache."}),
        field("step_time", &D::step_time,
              {.doc = "How long a step of the draft takes; with ngram, one search for all requests "
                      "of a step. Of kernels, host times that are null are 0: the engine's loop "
                      "runs once a step, whose host time the model's step has."})};
  }
};

}  // namespace kvsim
