#include "kvsim/theory/memory.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "kvsim/core/decimal.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/core/math.hpp"

namespace kvsim::theory {

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

void need_positive(std::string_view name, double value) {
  if (!(value > 0 && value < infinite)) {
    bad_field(name, decimal_text(value), "a finite number above 0");
  }
}
void need_amount(std::string_view name, double value) {
  if (!(value >= 0 && value < infinite)) {
    bad_field(name, decimal_text(value), "a finite number, 0 or more");
  }
}
void need_blocks(std::int64_t max, std::int64_t block_size) {
  if (block_size < 1) bad_field("block_size", std::to_string(block_size), "1 or more");
  if (max < 1 || max % block_size != 0) {
    bad_field("max_tokens", std::to_string(max),
              "a multiple of block_size = " + std::to_string(block_size) + ", above 0");
  }
}

}  // namespace

double cut_exponential_mean(double mean, double max) { return -mean * math::expm1(-max / mean); }

double mean_blocks(double mean, std::int64_t max, std::int64_t block_size) {
  need_positive("mean_tokens", mean);
  need_blocks(max, block_size);
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
  need_amount("memory_bytes", memory_bytes);
  need_amount("weight_bytes", weight_bytes);
  need_amount("reserve_bytes", reserve_bytes);
  need_positive("kv_bytes_per_token", kv_bytes_per_token);
  need_positive("slots_per_user", slots_per_user);
  const double bytes = memory_bytes - weight_bytes - reserve_bytes;
  const double users = std::floor(std::max(bytes, 0.0) / (kv_bytes_per_token * slots_per_user));
  if (!(users < 0x1p62)) {
    bad_field("slots_per_user", decimal_text(slots_per_user), "so many that users can be counted");
  }
  return static_cast<std::int64_t>(users);
}

}  // namespace kvsim::theory
