// Step times from a GPU's data sheet and a model's sizes: each kernel takes the longer of its
// arithmetic and its memory traffic at given efficiencies, plus launch overheads, tensor-parallel
// all-reduces and host time. docs/metrics.md says how the terms of the waterfall are cut.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <tuple>

#include "kvsim/core/time.hpp"
#include "kvsim/scenario/field.hpp"
#include "kvsim/step_time/context.hpp"
#include "kvsim/step_time/terms.hpp"
#include "kvsim/step_time/trust.hpp"

namespace kvsim {

// The defaults are rounded values of a fit to public measurements: kernels of vLLM 0.19 on H100
// (attention, links) and 45 closed-loop runs of Llama-70B FP8 on 2 to 8 H100 (the others); mean
// error of TPOT on those runs 4 %, largest 10 %.
struct Roofline {
  double gemm_efficiency = 0.75;
  double gemm_efficiency_8bit = 0.60;
  double moe_efficiency = 0.5;
  double attention_efficiency = 0.73;
  double hbm_efficiency = 0.85;
  double kv_efficiency = 0.92;
  double kv_efficiency_8bit = 0.69;
  double link_efficiency = 0.64;
  double layer_overhead_us = 45.0;
  double prefill_overhead_us = 12.0;
  double allreduce_overhead_us = 4.3;
  double link_latency_us = 0.0625;
  double host_overhead_us = 940.0;
  double host_overhead_us_per_seq = 40.0;

  static constexpr std::string_view kind = "roofline";
  static constexpr std::string_view type_name = "Roofline";
  static constexpr std::string_view doc =
      "Longer of arithmetic and memory traffic per kernel, from the GPU's data sheet.";
  static constexpr auto fields() {
    using R = Roofline;
    return std::tuple{
        field(
            "gemm_efficiency", &R::gemm_efficiency,
            {.min = 0.01, .max = 1, .doc = "Share of the 16-bit peak that matrix products reach."}),
        field(
            "gemm_efficiency_8bit", &R::gemm_efficiency_8bit,
            {.min = 0.01, .max = 1, .doc = "Share of the 8-bit peak that matrix products reach."}),
        field("moe_efficiency", &R::moe_efficiency,
              {.min = 0.01, .max = 1, .doc = "Factor on it for products of experts."}),
        field("attention_efficiency", &R::attention_efficiency,
              {.min = 0.01, .max = 1, .doc = "Share of the 16-bit peak that attention reaches."}),
        field("hbm_efficiency", &R::hbm_efficiency,
              {.min = 0.01,
               .max = 1,
               .doc = "Share of the memory bandwidth reached on weights and activations."}),
        field("kv_efficiency", &R::kv_efficiency,
              {.min = 0.01, .max = 1, .doc = "Share of it reached on a 16-bit KV cache."}),
        field("kv_efficiency_8bit", &R::kv_efficiency_8bit,
              {.min = 0.01, .max = 1, .doc = "Share of it reached on an 8-bit KV cache."}),
        field(
            "link_efficiency", &R::link_efficiency,
            {.min = 0.01, .max = 1, .doc = "Share of the link bandwidth that all-reduces reach."}),
        field("layer_overhead_us", &R::layer_overhead_us,
              {.unit = "us",
               .min = 0,
               .max = 1e6,
               .doc = "Launches and ramps of a layer's kernels."}),
        field("prefill_overhead_us", &R::prefill_overhead_us,
              {.unit = "us",
               .min = 0,
               .max = 1e6,
               .doc = "Added to a layer when a step holds prompt chunks."}),
        field("allreduce_overhead_us", &R::allreduce_overhead_us,
              {.unit = "us", .min = 0, .max = 1e6, .doc = "Fixed time of an all-reduce."}),
        field("link_latency_us", &R::link_latency_us,
              {.unit = "us", .min = 0, .max = 1e6, .doc = "Time of a hop of an all-reduce."}),
        field("host_overhead_us", &R::host_overhead_us,
              {.unit = "us", .min = 0, .max = 1e9, .doc = "Host time of a step."}),
        field("host_overhead_us_per_seq", &R::host_overhead_us_per_seq,
              {.unit = "us", .min = 0, .max = 1e9, .doc = "Host time a scheduled request."})};
  }
};

class RooflineTime {
 public:
  // Needs context.model and context.gpu; fails with ErrorKind::config otherwise, or if the GPU does
  // not compute with the weights' data type, or if the GPUs are more than a node has.
  RooflineTime(const Roofline& p, const StepTimeContext& context);

  // GPU work of a step but for the context that its decodes read: time, and time of its memory
  // traffic at full bandwidth, which is no longer.
  struct Work {
    double kernel_ns = 0;
    double hbm_ns = 0;
    Work& operator+=(const Work& o) {
      kernel_ns += o.kernel_ns;
      hbm_ns += o.hbm_ns;
      return *this;
    }
  };

  struct Decode {
    Ns host_ns;
    Ns comm_ns;
    Work work;       // without context
    Work per_token;  // of context
    [[nodiscard]] Terms fixed() const { return {host_ns, 0, 0, comm_ns}; }
    [[nodiscard]] DecodeParts parts(double context) const {
      const double rest =
          (work.kernel_ns - work.hbm_ns) + (per_token.kernel_ns - per_token.hbm_ns) * context;
      return {rest, work.hbm_ns + per_token.hbm_ns * context};
    }
    Terms operator()(std::int64_t context) const {
      return decode_terms(fixed(), parts(static_cast<double>(context)));
    }
  };
  [[nodiscard]] Decode decode(std::int64_t seqs) const { return affine(seqs, seqs, 1.0, seqs); }
  [[nodiscard]] Terms step(const StepShape& s) const;
  // Residuals of runs on H100 with dense models.
  [[nodiscard]] Trust trust() const { return trust_; }

 private:
  // A kernel class: time of its traffic at full bandwidth, fixed and per token, and of its
  // arithmetic at the efficiency it reaches, per token.
  struct Product {
    double hbm_ns = 0;
    double hbm_ns_per_token = 0;
    double flop_ns_per_token = 0;
  };
  [[nodiscard]] Work product(const Product& p, double hbm_ns, double tokens, double rows) const {
    const double hbm = hbm_ns + p.hbm_ns_per_token * tokens;
    return {std::max(hbm * inverse_hbm_efficiency_, p.flop_ns_per_token * rows), hbm};
  }
  [[nodiscard]] Work experts(double tokens) const;
  [[nodiscard]] Work chunks(const StepShape& s) const;
  // A step as a function of the context of its decodes; `entries` are scheduled requests,
  // queries_per_seq is 1 plus the mean number of drafts of a decode.
  [[nodiscard]] Decode affine(std::int64_t tokens, std::int64_t entries, double queries_per_seq,
                              std::int64_t sampled) const;

  double inverse_hbm_efficiency_;
  double inverse_kv_efficiency_;
  Product dense_;                  // all layers' projections and dense MLPs
  Product experts_;                // all layers' experts, hbm_ns as if a step touched every expert
  Product head_;                   // output embedding, per sampled sequence
  double small_hbm_ns_per_token_;  // norms, rotary embedding, activation, KV write
  double sampler_hbm_ns_per_seq_;
  double layers_overhead_ns_;
  double prefill_overhead_ns_;
  double log_expert_idle_ = 0;  // log of the chance that a token leaves an expert idle
  bool has_experts_ = false;
  bool every_expert_ = false;
  double kv_hbm_ns_per_token_;    // reading one token's KV
  double attention_ns_per_pair_;  // arithmetic of one query on one key
  double comm_ns_ = 0;
  double comm_ns_per_token_ = 0;
  double host_ns_;
  double host_ns_per_entry_;
  Trust trust_;
};

}  // namespace kvsim
