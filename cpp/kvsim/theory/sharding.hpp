// Closed forms of tensor and pipeline parallelism, to check the simulation by and to show beside
// it.
#pragma once

#include <cstdint>

#include "kvsim/core/collectives.hpp"

namespace kvsim::theory {

// Sizes of a dense decoder that its sharding depends on.
struct Sizes {
  double params = 0;
  std::int64_t layers = 0;
  double hidden = 0;
};

// Prompt of m tokens over t GPUs with tensor parallelism, arithmetic and two ring all-reduces of
// the 16-bit activations a layer, one after the other: 2 P m + 4 m^2 h L operations.
struct Prefill {
  double compute_ns = 0;
  double comm_ns = 0;
  [[nodiscard]] double total_ns() const { return compute_ns + comm_ns; }
};
[[nodiscard]] Prefill tensor_parallel_prefill(const Sizes& model, double tokens, std::int64_t gpus,
                                              double flops_per_gpu, const collectives::Link& link);

// Tokens a step above which gathering a layer's sharded weights moves less than reducing its
// activations.
[[nodiscard]] double weight_gather_threshold_tokens(double layer_weight_bytes, double hidden);

// Share of the time that a stage idles while m micro-batches pass p stages: (p-1) / (m+p-1).
[[nodiscard]] double bubble_fraction(std::int64_t stages, std::int64_t micro_batches);

// Bytes that cross the middle of a group of GPUs in one direction in a ring all-reduce.
[[nodiscard]] double all_reduce_bisection_bytes(std::int64_t gpus, double bytes);

}  // namespace kvsim::theory
