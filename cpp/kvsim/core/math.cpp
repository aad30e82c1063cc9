#include "kvsim/core/math.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kvsim/core/math_tables.hpp"

namespace kvsim::math {

namespace {

using detail::exp_rows;
using detail::log_rows;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// 2^e for a normal result.
double power_of_two(std::int64_t e) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(e + 1023) << 52);
}

// high + low, low being far below high.
struct Pair {
  double high;
  double low;
};

// Table-driven reduction (P. T. P. Tang, Table-driven implementation of the logarithm function, ACM
// TOMS 16, 1990): x = 2^k z, c near z, r = z/c - 1, log x = k log 2 + log c + log(1 + r). 1/c has
// ten bits, so that z/c is exact in two parts; r_high is a multiple of 2^-30, and so are all high
// parts multiples of 2^-42, whose sum is exact.
struct Reduced {
  double high;  // k log 2 + log c, high parts
  double low;   // low parts
  double r_high;
  double r_low;
};

Reduced reduce_log(std::uint64_t bits, std::int64_t k_before) {
  constexpr std::uint64_t first_middle = 0x3FE6000000000000U;
  constexpr std::uint64_t half_interval = std::uint64_t{1} << 44;
  constexpr std::uint64_t upper = 0xFFFFFFFF00000000U;
  constexpr std::uint64_t half_upper = 0x80000000U;
  const std::uint64_t offset = bits - first_middle + half_interval;
  const std::int64_t k = static_cast<std::int64_t>(offset) >> 52;
  const auto& row = log_rows[(offset >> 45) & 127];
  const std::uint64_t z_bits = bits - (static_cast<std::uint64_t>(k) << 52);
  const auto z = std::bit_cast<double>(z_bits);
  // To nearest, so that r_high and r_low do not cancel near z = 1.
  const auto z_high = std::bit_cast<double>((z_bits + half_upper) & upper);
  const auto kd = static_cast<double>(k + k_before);
  return {kd * detail::ln2_high + row.high, kd * detail::ln2_low + row.low,
          z_high * row.inverse - 1.0, (z - z_high) * row.inverse};
}

// log(1 + r) - r + r^2 / 2 for |r| < 0.006.
double log_series(double r, double r2) {
  return r2 * r * (1.0 / 3 + r * (-1.0 / 4)) +
         r2 * r2 * r * ((1.0 / 5 + r * (-1.0 / 6)) + r2 * (1.0 / 7 + r * (-1.0 / 8)));
}

// True for what reduce_log takes: positive, normal, finite.
bool is_plain(std::uint64_t bits) {
  return bits - 0x0010000000000000U < 0x7FF0000000000000U - 0x0010000000000000U;
}

// log x, to about 2^-68 of its size or of 1.
Pair log_pair(double x) {
  std::int64_t k = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p52;
    k = -52;
  }
  const Reduced q = reduce_log(std::bit_cast<std::uint64_t>(x), k);
  const double r = q.r_high + q.r_low;
  // r_high has 23 bits: its square is exact.
  const double square = -0.5 * (q.r_high * q.r_high);
  const double rest = q.low - 0.5 * q.r_low * (q.r_high + r) + log_series(r, r * r);
  // Each sum with what it loses; the first addend is the larger one, or 0.
  const double exact = q.high + q.r_high;
  const double sum = exact + q.r_low;
  const double high = sum + square;
  const double low = ((exact - sum) + q.r_low) + ((sum - high) + square) + rest;
  return {high + low, (high - (high + low)) + low};
}

// a b, exactly (T. J. Dekker, Numer. Math. 18, 1971); |a|, |b| < 2^990.
Pair product(double a, double b) {
  const auto split = [](double x) {
    const double t = x * 134217729.0;  // 2^27 + 1
    const double high = t - (t - x);
    return Pair{high, x - high};
  };
  const Pair x = split(a);
  const Pair y = split(b);
  const double p = a * b;
  return {p, ((x.high * y.high - p) + x.high * y.low + x.low * y.high) + x.low * y.low};
}

// exp(x) = 2^(k/128) exp(r), |r| <= log(2) / 256.
struct Exponent {
  std::int64_t k;
  double r;
};

Exponent reduce_exp(double x) {
  constexpr double magic = 0x1.8p52;  // rounds to whole numbers, see core/time.hpp
  const double shifted = x * detail::steps + magic;
  const double kd = shifted - magic;
  return {std::bit_cast<std::int64_t>(shifted) - std::bit_cast<std::int64_t>(magic),
          (x - kd * detail::step_high) - kd * detail::step_low};
}

// exp(r) - 1
double exp_series(double r) {
  const double r2 = r * r;
  return r + r2 * ((0.5 + r * (1.0 / 6)) + r2 * ((1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720)));
}

// exp(x + x_low) for |x| <= 800.
double exp_of_sum(double x, double x_low) {
  const Exponent q = reduce_exp(x);
  const auto& row = exp_rows[q.k & 127];
  const std::int64_t e = q.k >> 7;
  const double value = row.value + row.value * (row.tail + exp_series(q.r + x_low));
  if (e >= -1021 && e <= 1022) return value * power_of_two(e);
  // In two steps: the first is exact, the second rounds to a subnormal or goes to infinity.
  const std::int64_t half = e / 2;
  return value * power_of_two(half) * power_of_two(e - half);
}

}  // namespace

double exp(double x) {
  if (!(std::abs(x) <= 800)) return x != x ? x : x > 0 ? infinity : 0.0;
  return exp_of_sum(x, 0.0);
}

double expm1(double x) {
  if (!(std::abs(x) >= 0x1p-54)) return x;  // keeps -0.0 and NaN
  if (x > 40) return exp(x) - 1.0;
  if (x < -40) return -1.0;
  if (std::abs(x) < 0x1p-6) {
    const double x2 = x * x;
    const double tail = (1.0 / 6 + x * (1.0 / 24)) + x2 * ((1.0 / 120 + x * (1.0 / 720)) +
                                                           x2 * (1.0 / 5040 + x * (1.0 / 40320)));
    return x + (0.5 * x2 + x * x2 * tail);
  }
  const Exponent q = reduce_exp(x);
  const auto& row = exp_rows[q.k & 127];
  const double value = row.value * power_of_two(q.k >> 7);
  return (value - 1.0) + value * (row.tail + exp_series(q.r));
}

double log(double x) {
  auto bits = std::bit_cast<std::uint64_t>(x);
  std::int64_t k = 0;
  if (!is_plain(bits)) {
    if (x == 0) return -infinity;
    if (x < 0) return not_a_number;
    if (!(x < infinity)) return x;
    bits = std::bit_cast<std::uint64_t>(x * 0x1p52);
    k = -52;
  }
  const Reduced q = reduce_log(bits, k);
  const double r = q.r_high + q.r_low;
  const double r2 = r * r;
  return (q.high + q.r_high) + ((q.r_low + q.low) + (log_series(r, r2) - 0.5 * r2));
}

double log1p(double x) {
  if (std::abs(x) < 0x1p-54) return x;  // keeps -0.0
  const double u = 1.0 + x;
  if (!(u > 0 && u < infinity)) return log(u);
  // What the sum has lost, relative to it.
  const double lost = (x >= 1 ? 1.0 - (u - x) : x - (u - 1.0)) / u;
  return log(u) + lost;
}

double pow(double x, double y) {
  if (y == 0 || x == 1) return 1.0;
  if (x != x || y != y || x < 0) return not_a_number;
  if (x == 0 || x == infinity) return (x == 0) == (y > 0) ? 0.0 : infinity;
  const Pair logarithm = log_pair(x);
  if (!(std::abs(y) < 0x1p70)) {
    return (logarithm.high > 0) == (y > 0) ? infinity : 0.0;
  }
  const Pair p = product(logarithm.high, y);
  if (!(std::abs(p.high) <= 800)) return p.high > 0 ? infinity : 0.0;
  return exp_of_sum(p.high, p.low + logarithm.low * y);
}

}  // namespace kvsim::math
