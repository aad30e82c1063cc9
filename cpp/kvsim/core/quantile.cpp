#include "kvsim/core/quantile.hpp"

#include <cstddef>
#include <string>

#include "kvsim/core/decimal.hpp"
#include "kvsim/core/error.hpp"

namespace kvsim {

namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

template <class Value, class FromKey>
std::vector<Value> column_quantiles(std::span<const Value> values, std::span<const double> qs,
                                    FromKey from_key) {
  detail::KeyRange range;
  for (const Value value : values) range.add(detail::ordered_key(value));
  const auto visit = [values](const auto& f) {
    for (const Value value : values) f(detail::Key{detail::ordered_key(value)});
  };
  return detail::quantiles_by_key<Value, detail::Key>(visit, range, values.size(), qs, from_key);
}

}  // namespace

std::uint64_t nearest_rank(double q, std::uint64_t n) {
  if (!(q >= 0 && q <= 1)) {
    bad_field("quantile", decimal_text(q), "a number >= 0 and <= 1");
  }
  if (n == 0) fail(ErrorKind::invariant, "a quantile of no values is undefined");
  const double rank = std::ceil(q * static_cast<double>(n));
  if (rank < 1) return 1;
  // Above 2^53, n as a double may be above n.
  return rank >= 0x1p64 ? n : std::min(static_cast<std::uint64_t>(rank), n);
}

std::vector<std::int64_t> quantiles(std::span<const std::int64_t> values,
                                    std::span<const double> qs) {
  return column_quantiles(values, qs, detail::int_from_key);
}

std::vector<double> quantiles(std::span<const double> values, std::span<const double> qs) {
  if (std::any_of(values.begin(), values.end(), [](double v) { return v != v; })) {
    fail(ErrorKind::invariant, "a quantile of values with a NaN is undefined");
  }
  return column_quantiles(values, qs, detail::double_from_key);
}

// numpy/_core/src/umath/loops_utils.h.src, pairwise_sum.
double pairwise_sum(std::span<const double> values) {
  constexpr std::size_t block = 128;
  const std::size_t n = values.size();
  if (n < 8) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum;
  }
  if (n > block) {
    std::size_t half = n / 2;
    half -= half % 8;
    return pairwise_sum(values.first(half)) + pairwise_sum(values.subspan(half));
  }
  double r[8];
  std::copy_n(values.begin(), 8, r);
  std::size_t i = 8;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t j = 0; j < 8; ++j) r[j] += values[i + j];
  }
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i) sum += values[i];
  return sum;
}

double mean(std::span<const double> values) {
  if (values.empty()) return undefined;
  return pairwise_sum(values) / static_cast<double>(values.size());
}

double standard_deviation(std::span<const double> values, int ddof) {
  const auto degrees = static_cast<double>(values.size()) - static_cast<double>(ddof);
  if (values.empty() || degrees <= 0) return undefined;
  const double center = mean(values);
  std::vector<double> squares(values.begin(), values.end());
  for (double& x : squares) x = (x - center) * (x - center);
  return std::sqrt(pairwise_sum(squares) / degrees);
}

Int128 exact_sum(std::span<const std::int64_t> values) {
  Int128 sum = 0;
  for (const std::int64_t value : values) sum += value;
  return sum;
}

double mean(std::span<const std::int64_t> values) {
  if (values.empty()) return undefined;
  return static_cast<double>(exact_sum(values)) / static_cast<double>(values.size());
}

double standard_deviation(std::span<const std::int64_t> values, int ddof) {
  const auto visit = [values](const auto& f) {
    for (const std::int64_t value : values) f(value, std::uint64_t{1});
  };
  detail::IntegerTotals totals;
  visit([&totals](std::int64_t value, std::uint64_t one) { totals.add(value, one); });
  return detail::integer_standard_deviation(visit, totals, ddof);
}

}  // namespace kvsim
