// Times of collective operations in the alpha-beta model: a hop's latency and a link's bandwidth
// per direction (Thakur, Rabenseifner, Gropp: Optimization of collective communication operations
// in MPICH, 2005). `bytes` is the size of the whole tensor, on each of `gpus` devices before or
// after.
#pragma once

#include <cstdint>

namespace kvsim::collectives {

struct Link {
  double bytes_per_s = 1;
  double hop_ns = 0;
};

[[nodiscard]] inline double transfer_ns(double bytes, const Link& link) {
  return bytes / link.bytes_per_s * 1e9;
}

// Also all-gather: N - 1 hops, each device receives (N - 1) / N of the tensor.
[[nodiscard]] inline double reduce_scatter_ns(std::int64_t gpus, double bytes, const Link& link) {
  const auto n = static_cast<double>(gpus);
  return (n - 1) * link.hop_ns + transfer_ns((n - 1) / n * bytes, link);
}

// Reduce-scatter and all-gather: 2 (N-1) hops, 2 (N-1)/N of the tensor over each link.
[[nodiscard]] inline double ring_all_reduce_ns(std::int64_t gpus, double bytes, const Link& link) {
  return 2 * reduce_scatter_ns(gpus, bytes, link);
}

// Reduction up a binary tree and broadcast down, in small pieces one behind the other: 2 ceil(log2
// N) hops, the whole tensor over a link in each direction.
[[nodiscard]] inline double tree_all_reduce_ns(std::int64_t gpus, double bytes, const Link& link) {
  if (gpus < 2) return 0;
  int levels = 0;
  while ((std::int64_t{1} << levels) < gpus) ++levels;
  return 2 * levels * link.hop_ns + transfer_ns(2 * bytes, link);
}

// Bytes that cross the middle of the group in one direction: a cut of the ring meets one link each
// way. Of an all-gather or a reduce-scatter it is half.
[[nodiscard]] inline double ring_all_reduce_bisection_bytes(std::int64_t gpus, double bytes) {
  const auto n = static_cast<double>(gpus);
  return 2 * (n - 1) / n * bytes;
}

// Tokens a step above which gathering a layer's sharded weights moves less than two all-reduces of
// its 16-bit activations: (N-1)/N W against 2 * 2 (N-1)/N * 2 m h bytes, so m = W / (8 h) for any
// N.
[[nodiscard]] inline double weight_gather_threshold_tokens(double layer_bytes, double hidden) {
  return layer_bytes / (8 * hidden);
}

}  // namespace kvsim::collectives
