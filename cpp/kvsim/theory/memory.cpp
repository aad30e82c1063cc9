#include "kvsim/theory/memory.hpp"

#include <algorithm>
#include <cmath>

#include "kvsim/core/math.hpp"

namespace kvsim::theory {

double cut_exponential_mean(double mean, double max) { return -mean * math::expm1(-max / mean); }

double mean_blocks(double mean, std::int64_t max, std::int64_t block_size) {
  const auto whole = static_cast<double>(max / block_size);
  const double block = static_cast<double>(block_size) / mean;
  return math::expm1(-block * whole) / math::expm1(-block);
}

double paged_internal_waste(double mean, std::int64_t max, std::int64_t block_size) {
  const double slots = static_cast<double>(block_size) * mean_blocks(mean, max, block_size);
  return 1 - cut_exponential_mean(mean, static_cast<double>(max)) / slots;
}

std::int64_t users_that_fit(double memory_bytes, double weight_bytes, double reserve_bytes,
                            double kv_bytes_per_token, double slots_per_user) {
  const double bytes = memory_bytes - weight_bytes - reserve_bytes;
  return static_cast<std::int64_t>(
      std::floor(std::max(bytes, 0.0) / (kv_bytes_per_token * slots_per_user)));
}

}  // namespace kvsim::theory
