#include "kvsim/step_time/parallel.hpp"

#include <algorithm>
#include <string>

#include "kvsim/core/decimal.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/step_time/fitted.hpp"
#include "kvsim/step_time/tables.hpp"

namespace kvsim {

namespace {

constexpr double activation_bytes = 2;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

AllReduceKind resolve(AllReduceKind kind, bool has_table, bool other_link) {
  if (kind != AllReduceKind::automatic) return kind;
  return has_table && !other_link ? AllReduceKind::table : AllReduceKind::fitted;
}

}  // namespace

Parallel::Parallel(const LinkFields& fields, AllReduceKind kind, TensorParallelForm form,
                   const StepTimeContext& context)
    : gpus_(context.tensor_parallel_size), form_(form) {
  const GpuSpec& gpu = *context.gpu;
  const std::int64_t node_gpus = fields.gpus_of_a_node(gpu);
  const std::int64_t all = gpus_ * context.pipeline_parallel_size;
  if (all > node_gpus && !fields.node_link_gb_per_s) {
    bad_field(
        gpus_ > node_gpus ? "tensor_parallel_size" : "pipeline_parallel_size",
        std::to_string(gpus_) + " x " + std::to_string(context.pipeline_parallel_size) + " GPUs",
        "at most " + std::to_string(node_gpus) + ", the GPUs of a node of " + quoted(gpu.name) +
            " (step_time.node_gpus, else the GPU's), or a link between nodes: "
            "step_time.node_link_gb_per_s");
  }
  const bool within = gpus_ <= node_gpus;
  const AllReduceTable* table =
      context.tables == nullptr || !within ? nullptr : context.tables->all_reduce_of(gpus_);
  if (fields.link != LinkKind::automatic && fields.link_gb_per_s) {
    bad_field("step_time.link_gb_per_s", decimal_text(*fields.link_gb_per_s),
              "null, since step_time.link is " + quoted(enum_name(fields.link)));
  }
  const double near_rate = fields.link_gb_per_s            ? 1e9 * *fields.link_gb_per_s
                           : fields.link == LinkKind::pcie ? gpu.pcie_bytes_per_s
                                                           : gpu.link_bytes_per_s;
  kind_ = resolve(kind, table != nullptr, fields.other_link());
  if (kind_ == AllReduceKind::table && gpus_ > 1) {
    if (fields.other_link()) {
      bad_field("step_time.all_reduce", quoted("table"),
                "auto, fitted, ring, tree; the table was measured on the GPU's own link, and "
                "step_time." +
                    std::string(fields.link_gb_per_s ? "link_gb_per_s" : "link") + " says another");
    }
    if (table == nullptr) {
      bad_field("step_time.all_reduce", quoted("table"),
                "auto, fitted, ring, tree; a table is there for 2, 4 and 8 GPUs in a node of "
                "h100-sxm and h200");
    }
    table_ = Interpolated(table->bytes, table->ns);
  }
  const double efficiency = fields.link_efficiency.value_or(fitted::all_reduce.link_efficiency);
  const double node_rate = efficiency * 1e9 * fields.node_link_gb_per_s.value_or(0);
  node_link_ = {node_rate, 1e3 * fields.node_link_latency_us};
  link_ = {efficiency * near_rate, 1e3 * fields.link_latency_us};
  // Within a node every GPU can reach the other half (a switch); between nodes, each node.
  const std::int64_t nodes = ceil_div(gpus_, node_gpus);
  bisection_bytes_per_s_ =
      within ? static_cast<double>(gpus_ / 2) * near_rate
             : static_cast<double>(nodes / 2) * 1e9 * fields.node_link_gb_per_s.value_or(0);
  // A ring over several nodes is as fast as its slowest link, and every hop may be one between
  // them.
  if (!within) {
    link_ = {std::min(link_.bytes_per_s, node_rate), std::max(link_.hop_ns, node_link_.hop_ns)};
    // Reduce-scatter and all-gather between the nodes, on top of what was fitted within one.
    node_hops_ns_ = 2 * static_cast<double>(nodes - 1) * node_link_.hop_ns;
  }
  transfers_ = context.pipeline_parallel_size - 1;
  const std::int64_t stages_per_node = std::max<std::int64_t>(1, node_gpus / gpus_);
  node_transfers_ = within ? transfers_ / stages_per_node : transfers_;
}

double Parallel::all_reduce_ns(double bytes) const {
  switch (kind_) {
    case AllReduceKind::table:
      return table_(bytes);
    case AllReduceKind::ring:
      return collectives::ring_all_reduce_ns(gpus_, bytes, link_);
    case AllReduceKind::tree:
      return collectives::tree_all_reduce_ns(gpus_, bytes, link_);
    case AllReduceKind::automatic:
    case AllReduceKind::fitted:
      break;
  }
  const auto t = static_cast<double>(gpus_);
  return fitted::all_reduce.launch_ns + fitted::all_reduce.hop_ns * t + node_hops_ns_ +
         collectives::transfer_ns(2 * (t - 1) / t * bytes, link_);
}

double Parallel::layer_ns(double m, double h, double layer_bytes) const {
  if (gpus_ == 1) return 0;
  switch (form_) {
    case TensorParallelForm::all_reduce:
      return 2 * all_reduce_ns(activation_bytes * m * h);
    case TensorParallelForm::sequence_parallel:
      // Each all-reduce falls into a reduce-scatter and an all-gather: the same bytes, two
      // launches.
      return 2 * (all_reduce_ns(activation_bytes * m * h) + fitted::all_reduce.launch_ns);
    case TensorParallelForm::weight_gather:
      break;
  }
  return fitted::all_reduce.launch_ns + collectives::reduce_scatter_ns(gpus_, layer_bytes, link_);
}

double Parallel::bisection_ns(double m, double h, double layer_bytes) const {
  if (gpus_ == 1) return 0;
  const double tensor = activation_bytes * m * h;
  double bytes = 2 * collectives::ring_all_reduce_bisection_bytes(gpus_, tensor);
  if (form_ == TensorParallelForm::weight_gather) {
    bytes = 0.5 * collectives::ring_all_reduce_bisection_bytes(gpus_, layer_bytes);
  } else if (kind_ == AllReduceKind::tree && form_ == TensorParallelForm::all_reduce) {
    bytes = 2 * tensor;  // up the tree one way, down the other
  }
  return collectives::transfer_ns(bytes, {bisection_bytes_per_s_, 0});
}

double Parallel::stages_ns(double m, double h) const {
  const double bytes = activation_bytes * m * h;
  const auto near = static_cast<double>(transfers_ - node_transfers_);
  double ns = near * (fitted::all_reduce.launch_ns + collectives::transfer_ns(bytes, link_));
  if (node_transfers_ > 0) {
    ns += static_cast<double>(node_transfers_) *
          (node_link_.hop_ns + collectives::transfer_ns(bytes, node_link_));
  }
  return ns;
}

std::vector<double> Parallel::knot_bytes() const {
  return table_.empty() || form_ == TensorParallelForm::weight_gather ? std::vector<double>{}
                                                                      : table_.positions();
}

}  // namespace kvsim
