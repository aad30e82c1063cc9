// Formulas for operators without a table, fitted by tools/fit_step_time.py to those of H100 and
// H200 (python/kvsim/data/step_time/fit.json has the same numbers and their errors; a test
// compares).
#pragma once

#include "kvsim/scenario/catalog_types.hpp"

namespace kvsim::fitted {

struct Gemm {
  double launch_ns;
  double hbm_efficiency;   // share of the bandwidth
  double flop_efficiency;  // share of the peak
  double overlap_power;    // p of the p-norm that joins memory and arithmetic time
  double wave_share;       // of a last, partly filled wave of tiles
};
inline constexpr Gemm gemm_16bit{3255, 0.8614, 0.7978, 3.656, 0.002149};
inline constexpr Gemm gemm_8bit{5540, 1.055, 0.672, 1.358, 0.3924};

// Launch, time a sequence and KV head, then the cache at a share of the bandwidth; 8-bit caches at
// most as fast as they can be converted: bytes a 16-bit FLOP of the peak.
struct DecodeAttention {
  double launch_ns;
  double ns_per_head;
  double hbm_efficiency;
  double bytes_8bit_per_flop;
};
inline constexpr DecodeAttention decode_attention{10050, 19.45, 0.9192, 2.745e-3};

// Launch, then arithmetic at (q + c) / (q + c + short_tokens) of a share of the peak.
struct ContextAttention {
  double launch_ns;
  double flop_efficiency;
  double short_tokens;
};
inline constexpr ContextAttention context_attention{11430, 0.7687, 939};

// launch + hop * N + 2 (N-1)/N bytes at a share of the link.
struct AllReduce {
  double launch_ns;
  double hop_ns;
  double link_efficiency;
};
inline constexpr AllReduce all_reduce{4252, 133, 0.6639};

// Not fitted but taken over: kernels between the products (norms, rotary embedding, activation,
// quantisation) and the sampler reach this share of the bandwidth; a launch in a CUDA graph; the
// sampler's launches; experts reach half the rate of dense products; 4-bit weights are unpacked at
// the cost of a tenth of the arithmetic.
inline constexpr double elementwise_efficiency = 0.8;
inline constexpr double launch_ns = 2000;
inline constexpr double sampler_ns = 50'000;
inline constexpr double expert_efficiency = 0.5;
inline constexpr double unpacking_efficiency = 0.9;

// A matrix product of m rows with weights [n, k] of so many bytes each.
struct Product {
  double n = 0;
  double k = 0;
  double weight_bytes = 2;
  double input_bytes = 2;
};

// Bytes that it moves: weights, inputs, 16-bit outputs.
[[nodiscard]] double product_bytes(const Product& p, double m);

// ns, for a peak of `flops` in the inputs' data type.
[[nodiscard]] double product_ns(const Product& p, double m, const GpuSpec& gpu, double flops);

// bytes/s at which decode attention reads the KV cache.
[[nodiscard]] double decode_rate(const GpuSpec& gpu, double bytes_per_kv_value);
// ns a FLOP of prompt attention, which takes (1 + short_tokens / context) of it.
[[nodiscard]] double context_ns_per_flop(const GpuSpec& gpu);

}  // namespace kvsim::fitted
