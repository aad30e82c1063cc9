// What parallelism costs: collectives of tensor parallelism, transfers between pipeline stages.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "kvsim/core/collectives.hpp"
#include "kvsim/scenario/catalog_types.hpp"
#include "kvsim/step_time/context.hpp"
#include "kvsim/step_time/curve.hpp"

namespace kvsim {

enum class AllReduceKind { automatic, table, fitted, ring, tree };
template <>
struct EnumNames<AllReduceKind> {
  static constexpr std::string_view name = "AllReduceKind";
  static constexpr std::pair<AllReduceKind, std::string_view> values[] = {
      {AllReduceKind::automatic, "auto"},
      {AllReduceKind::table, "table"},
      {AllReduceKind::fitted, "fitted"},
      {AllReduceKind::ring, "ring"},
      {AllReduceKind::tree, "tree"}};
};

enum class TensorParallelForm { all_reduce, sequence_parallel, weight_gather };
template <>
struct EnumNames<TensorParallelForm> {
  static constexpr std::string_view name = "TensorParallelForm";
  static constexpr std::pair<TensorParallelForm, std::string_view> values[] = {
      {TensorParallelForm::all_reduce, "all_reduce"},
      {TensorParallelForm::sequence_parallel, "sequence_parallel"},
      {TensorParallelForm::weight_gather, "weight_gather"}};
};

// Which link of a GPU: the one that joins it to others in a node, or PCI Express although it has a
// faster one.
enum class LinkKind { automatic, pcie };
template <>
struct EnumNames<LinkKind> {
  static constexpr std::string_view name = "LinkKind";
  static constexpr std::pair<LinkKind, std::string_view> values[] = {{LinkKind::automatic, "auto"},
                                                                     {LinkKind::pcie, "pcie"}};
};

// Links of a replica's GPUs, resolved from the GPU and the step-time fields.
struct LinkFields {
  LinkKind link = LinkKind::automatic;
  std::optional<double> link_gb_per_s;
  std::optional<double> node_link_gb_per_s;
  std::optional<double> link_efficiency;
  double link_latency_us = 0.5;
  double node_link_latency_us = 5.0;
  std::optional<std::int64_t> node_gpus;

  // Whether GPUs of a node are joined by something else than the link that all-reduces were
  // measured on.
  [[nodiscard]] bool other_link() const { return link != LinkKind::automatic || link_gb_per_s; }
  [[nodiscard]] std::int64_t gpus_of_a_node(const GpuSpec& gpu) const {
    return node_gpus.value_or(gpu.node_gpus);
  }
};

class Parallel {
 public:
  // Fails with ErrorKind::config if the GPUs are more than a node has and there is no second link,
  // or if a table is asked for that is not there.
  Parallel(const LinkFields& fields, AllReduceKind kind, TensorParallelForm form,
           const StepTimeContext& context);

  // A layer's collectives for m tokens of 16-bit activations of width h; layer_bytes are the
  // weights of a whole layer.
  [[nodiscard]] double layer_ns(double m, double h, double layer_bytes) const;
  // How long a layer's collectives would take if they filled the bandwidth between the two halves
  // of its GPUs, one direction; 0 on one GPU.
  [[nodiscard]] double bisection_ns(double m, double h, double layer_bytes) const;
  // All transfers of a step of m tokens between stages.
  [[nodiscard]] double stages_ns(double m, double h) const;

  // Bytes of all-reduced tensors where layer_ns is not smooth.
  [[nodiscard]] std::vector<double> knot_bytes() const;
  [[nodiscard]] bool measured() const { return !table_.empty(); }

 private:
  [[nodiscard]] double all_reduce_ns(double bytes) const;

  std::int64_t gpus_;
  AllReduceKind kind_;
  TensorParallelForm form_;
  collectives::Link link_;       // of the group that shares a layer
  collectives::Link node_link_;  // between nodes
  double node_hops_ns_ = 0;      // of a fitted all-reduce, beside those within a node
  double bisection_bytes_per_s_ = 1;
  Interpolated table_;
  std::int64_t transfers_ = 0;       // between stages
  std::int64_t node_transfers_ = 0;  // of these, between nodes
};

}  // namespace kvsim
