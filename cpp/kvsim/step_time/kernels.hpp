// Step times from measured kernels: tables of matrix products and all-reduces where a GPU has them,
// formulas fitted to measured operators elsewhere, attention in closed form, host time of an
// engine. docs/step_time.md has the equations and how far they can be trusted.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "kvsim/scenario/field.hpp"
#include "kvsim/step_time/context.hpp"
#include "kvsim/step_time/curve.hpp"
#include "kvsim/step_time/parallel.hpp"
#include "kvsim/step_time/terms.hpp"
#include "kvsim/step_time/trust.hpp"

namespace kvsim {

enum class OperatorTables { automatic, measured, fitted };
template <>
struct EnumNames<OperatorTables> {
  static constexpr std::string_view name = "OperatorTables";
  static constexpr std::pair<OperatorTables, std::string_view> values[] = {
      {OperatorTables::automatic, "auto"},
      {OperatorTables::measured, "measured"},
      {OperatorTables::fitted, "fitted"}};
};

struct Kernels {
  OperatorTables tables = OperatorTables::automatic;
  std::optional<double> host_us;
  std::optional<double> host_us_per_seq;
  std::int64_t cuda_graph_max_tokens = 512;
  AllReduceKind all_reduce = AllReduceKind::automatic;
  TensorParallelForm tensor_parallel_form = TensorParallelForm::all_reduce;
  std::optional<std::int64_t> weight_gather_min_tokens;
  LinkKind link = LinkKind::automatic;
  std::optional<double> link_gb_per_s;
  double link_latency_us = 0.5;
  std::optional<double> link_efficiency;
  std::optional<double> node_link_gb_per_s;
  double node_link_latency_us = 5.0;
  std::optional<std::int64_t> node_gpus;

  static constexpr std::string_view kind = "kernels";
  static constexpr std::string_view type_name = "Kernels";
  static constexpr std::string_view doc =
      "Measured kernels of the GPU (H100 SXM, H200), else formulas fitted to measured kernels.";
  static constexpr auto fields() {
    using K = Kernels;
    return std::tuple{
        field(
            "tables", &K::tables,
            {.doc = "Matrix products from measured tables, or from fitted formulas; auto = tables "
                    "where the GPU and the data type have them."}),
        field("host_us", &K::host_us,
              {.unit = "us",
               .min = 0,
               .max = 1e9,
               .doc =
                   "Host time of a step on each pipeline stage that does not overlap with the GPU; "
                   "null = fitted to 45 closed-loop runs of vLLM."}),
        field(
            "host_us_per_seq", &K::host_us_per_seq,
            {.unit = "us",
             .min = 0,
             .max = 1e9,
             .doc = "The same for each scheduled request; null = fitted, more without asynchronous "
                    "scheduling."}),
        field("cuda_graph_max_tokens", &K::cuda_graph_max_tokens,
              {.unit = "tokens",
               .min = 0,
               .max = 1 << 20,
               .doc = "Steps up to this size are padded to the next CUDA graph's (1, 2, 4, by 8 to "
                      "256, by 16), 0 = no graphs."}),
        field("all_reduce", &K::all_reduce,
              {.doc = "Time of an all-reduce: measured table, fitted formula, ring or tree; auto = "
                      "table where there is one."}),
        field("tensor_parallel_form", &K::tensor_parallel_form,
              {.doc = "all_reduce: two a layer; sequence_parallel: reduce-scatter and all-gather, "
                      "norms on a part of the tokens; weight_gather: weights are gathered, tokens "
                      "split, in steps of enough tokens."}),
        field("weight_gather_min_tokens", &K::weight_gather_min_tokens,
              {.unit = "tokens",
               .min = 0,
               .max = 1 << 30,
               .doc = "With weight_gather: smaller steps all-reduce; null = the size above which "
                      "gathering moves less, a layer's weight bytes / (8 hidden_size)."}),
        field("link", &K::link,
              {.doc = "Link between GPUs of a node: auto = the GPU's own (NVLink, xGMI or PCIe), "
                      "pcie = its PCI Express."}),
        field("link_gb_per_s", &K::link_gb_per_s,
              {.unit = "GB/s",
               .min = 0,
               .max = 1e6,
               .exclusive_min = true,
               .doc = "Link between GPUs of a node, per direction; null = the GPU's."}),
        field("link_latency_us", &K::link_latency_us,
              {.unit = "us", .min = 0, .max = 1e6, .doc = "A hop, for ring, tree, weight_gather."}),
        field("link_efficiency", &K::link_efficiency,
              {.min = 0.01,
               .max = 1,
               .doc = "Share of a link's bandwidth that formulas, ring, tree and transfers reach; "
                      "null = fitted. A measured table has its own."}),
        field("node_link_gb_per_s", &K::node_link_gb_per_s,
              {.unit = "GB/s",
               .min = 0,
               .max = 1e6,
               .exclusive_min = true,
               .doc = "Link between nodes (InfiniBand), per direction and node; null = none."}),
        field("node_link_latency_us", &K::node_link_latency_us,
              {.unit = "us", .min = 0, .max = 1e6, .doc = "Latency of the link between nodes."}),
        field("node_gpus", &K::node_gpus,
              {.unit = "GPUs",
               .min = 1,
               .max = 1024,
               .doc = "GPUs of a node, which the faster link joins; null = the GPU's node_gpus."})};
  }
};

class KernelTime {
 public:
  // Fails with ErrorKind::config if model or GPU is missing, does not fit the other or the fields.
  KernelTime(const Kernels& p, const StepTimeContext& context);

  struct Decode {
    Ns host_ns;
    Ns comm_ns;
    double fixed_rest_ns;  // time that is not memory traffic at full bandwidth
    double fixed_hbm_ns;
    double rest_ns_per_token;  // of context
    double hbm_ns_per_token;
    [[nodiscard]] Terms fixed() const { return {host_ns, 0, 0, comm_ns}; }
    [[nodiscard]] DecodeParts parts(double context) const {
      return {fixed_rest_ns + rest_ns_per_token * context,
              fixed_hbm_ns + hbm_ns_per_token * context};
    }
    Terms operator()(std::int64_t context) const {
      return decode_terms(fixed(), parts(static_cast<double>(context)));
    }
  };
  [[nodiscard]] Decode decode(std::int64_t seqs) const {
    return affine(seqs, seqs, seqs, 1.0, seqs, Work{});
  }
  [[nodiscard]] Terms step(const StepShape& s) const;

  [[nodiscard]] Trust trust() const { return trust_; }

  // How long the collectives of a step of so many tokens would take if they filled the bandwidth
  // between the two halves of the GPUs that share a layer.
  [[nodiscard]] double bisection_ns(std::int64_t tokens) const {
    const double m = padded(tokens);
    return gathers(m) ? gather_bisection_ns_ : bisection_ns_per_token_ * m;
  }

  // What of this run lies outside of what was measured.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  [[nodiscard]] Decode affine(std::int64_t tokens, std::int64_t entries, std::int64_t decode_seqs,
                              double queries_per_seq, std::int64_t sampled,
                              const Work& chunks) const;
  [[nodiscard]] double padded(std::int64_t tokens) const;
  void judge(const Kernels& p, const StepTimeContext& context, bool table);
  [[nodiscard]] bool gathers(double padded_tokens) const { return padded_tokens >= gather_from_; }
  void set_parallel(const Kernels& p, const StepTimeContext& context);
  void warn(const Kernels& p, const StepTimeContext& context);
  void warn_of_ranges(const StepTimeContext& context);

  WorkCurve linear_;  // all layers' products, kernels between them, collectives; transfers
  std::optional<WorkCurve> gather_;  // the same with gathered weights, for larger steps
  double gather_from_ = std::numeric_limits<double>::infinity();  // tokens
  double bisection_ns_per_token_ = 0;
  double gather_bisection_ns_ = 0;
  WorkCurve head_;  // output embedding and sampler, over sampled sequences
  double host_ns_;
  double host_ns_per_entry_;
  std::int64_t graph_tokens_;
  Trust trust_;
  double decode_launch_ns_;        // all layers
  double decode_ns_per_seq_;       // all layers
  double kv_hbm_ns_per_token_;     // reading one token's KV at full bandwidth
  double kv_kernel_ns_per_token_;  // at the rate that decode attention reaches
  double chunk_launch_ns_;
  double attention_ns_per_pair_;  // one query on one key
  std::vector<std::string> warnings_;
};

}  // namespace kvsim
