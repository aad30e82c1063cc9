#include "kvsim/step_time/fitted.hpp"

#include <algorithm>
#include <cmath>

#include "kvsim/core/math.hpp"

namespace kvsim::fitted {

namespace {
constexpr double tile_rows = 64;
constexpr double tile_columns = 128;
}  // namespace

double product_bytes(const Product& p, double m) {
  return p.n * p.k * p.weight_bytes + m * p.k * p.input_bytes + 2 * m * p.n;
}

double product_ns(const Product& p, double m, const GpuSpec& gpu, double flops) {
  const Gemm& f = p.input_bytes == 1 ? gemm_8bit : gemm_16bit;
  const double row_tiles = std::ceil(m / tile_rows);
  const double waves = row_tiles * std::ceil(p.n / tile_columns) / static_cast<double>(gpu.sms);
  const double unpacking = p.weight_bytes < 1 ? unpacking_efficiency : 1.0;
  double arithmetic =
      2 * tile_rows * row_tiles * p.n * p.k / (f.flop_efficiency * unpacking * flops);
  if (waves >= 1) arithmetic *= 1 + (std::ceil(waves) / waves - 1) * f.wave_share;
  const double memory = product_bytes(p, m) / (f.hbm_efficiency * gpu.hbm_bytes_per_s);
  const double high = std::max(memory, arithmetic);
  const double low = std::min(memory, arithmetic) / high;
  return f.launch_ns +
         1e9 * high * math::pow(1 + math::pow(low, f.overlap_power), 1 / f.overlap_power);
}

double decode_rate(const GpuSpec& gpu, double bytes_per_kv_value) {
  const double rate = decode_attention.hbm_efficiency * gpu.hbm_bytes_per_s;
  if (bytes_per_kv_value != 1.0) return rate;
  return std::min(rate, decode_attention.bytes_8bit_per_flop * gpu.flops_fp16);
}

double context_ns_per_flop(const GpuSpec& gpu) {
  return 1e9 / (context_attention.flop_efficiency * gpu.flops_fp16);
}

}  // namespace kvsim::fitted
