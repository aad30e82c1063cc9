// Percentiles, means and standard deviations of columns, the same bits in any order of evaluation.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "kvsim/core/int128.hpp"
#include "kvsim/core/radix_select.hpp"
#include "kvsim/core/sort.hpp"
#include "kvsim/core/wide.hpp"

namespace kvsim {

// Nearest rank: quantile q of n values is sorted[ceil(q * n) - 1] (the first one for q = 0), q * n
// being a product of doubles, as in Python's sorted(x)[max(math.ceil(q * n), 1) - 1]. Returns the
// 1-based rank. Fails for q outside [0, 1] (config) and for n = 0 (invariant).
[[nodiscard]] std::uint64_t nearest_rank(double q, std::uint64_t n);

// The quantiles in the order of qs, in O(n) without sorting. Fails for an empty column or a NaN in
// it (invariant: what is undefined is to be left out before).
[[nodiscard]] std::vector<std::int64_t> quantiles(std::span<const std::int64_t> values,
                                                  std::span<const double> qs);
[[nodiscard]] std::vector<double> quantiles(std::span<const double> values,
                                            std::span<const double> qs);

// Sums of doubles are pairwise in numpy's order (blocks of 128, eight accumulators), so that mean
// and standard deviation are numpy.mean's and numpy.std's bits; ddof as there: 0 = population
// (numpy's default and vllm bench's), 1 = sample. NaN where undefined (n = 0, n <= ddof).
[[nodiscard]] double pairwise_sum(std::span<const double> values);
[[nodiscard]] double mean(std::span<const double> values);
[[nodiscard]] double standard_deviation(std::span<const double> values, int ddof = 0);

// Integers are summed exactly, so the order does not matter.
[[nodiscard]] Int128 exact_sum(std::span<const std::int64_t> values);
[[nodiscard]] double mean(std::span<const std::int64_t> values);
[[nodiscard]] double standard_deviation(std::span<const std::int64_t> values, int ddof = 0);

namespace detail {

// The quantiles, in the order of qs, of n values; visit and range as select_ranks has them.
template <class Value, class Item, class Visit, class FromKey>
std::vector<Value> quantiles_by_key(const Visit& visit, const KeyRange& range, std::uint64_t n,
                                    std::span<const double> qs, FromKey from_key) {
  std::vector<std::size_t> order(qs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<std::uint64_t> ranks(qs.size());
  for (std::size_t i = 0; i < qs.size(); ++i) ranks[i] = nearest_rank(qs[i], n);
  sort_rows(order, [&](std::size_t i) { return ranks[i]; });
  std::vector<std::uint64_t> ascending, keys(qs.size());
  for (const std::size_t i : order) ascending.push_back(ranks[i]);
  select_ranks<Item>(visit, range, std::span<const std::uint64_t>(ascending), keys.data());
  std::vector<Value> result(qs.size());
  for (std::size_t i = 0; i < qs.size(); ++i) result[order[i]] = from_key(keys[i]);
  return result;
}

// What one pass over integers with weights above 0 gives.
struct IntegerTotals {
  std::uint64_t count = 0;
  Int128 sum = 0;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  std::int64_t most = std::numeric_limits<std::int64_t>::min();

  void add(std::int64_t value, std::uint64_t weight) {
    count += weight;
    sum += static_cast<Int128>(value) * static_cast<Int128>(weight);
    least = std::min(least, value);
    most = std::max(most, value);
  }
};

// Standard deviation of weighted integers; visit(f) calls f(value, count) for each. Deviations from
// the rounded mean are squared and summed in integers, so the order does not matter; if the sum
// might not fit, they are first scaled down by a power of two.
template <class Visit>
double integer_standard_deviation(const Visit& visit, const IntegerTotals& totals, int ddof) {
  if (totals.count <= static_cast<std::uint64_t>(ddof)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const auto n = static_cast<double>(totals.count);
  const auto reference = static_cast<std::int64_t>(totals.sum / static_cast<Int128>(totals.count));
  const auto distance = [reference](std::int64_t value) {
    const Int128 d = static_cast<Int128>(value) - reference;
    return static_cast<std::uint64_t>(d < 0 ? -d : d);
  };
  const std::uint64_t widest = std::max(distance(totals.least), distance(totals.most));
  const int bits =
      2 * static_cast<int>(std::bit_width(widest)) + static_cast<int>(std::bit_width(totals.count));
  const int scale = bits <= 126 ? 0 : (bits - 126 + 1) / 2;
  Int128 squares = 0;
  if (std::bit_width(widest) <= 31) {
    // A square fits into 62 bits: one wide product an item.
    visit([&](std::int64_t value, std::uint64_t weight) {
      const std::int64_t d = value - reference;
      const Wide product = multiply_wide(static_cast<std::uint64_t>(d * d), weight);
      squares += static_cast<Int128>(product.high) << 64 | static_cast<Int128>(product.low);
    });
  } else {
    visit([&](std::int64_t value, std::uint64_t weight) {
      const Int128 d = (static_cast<Int128>(value) - reference) >> scale;
      squares += d * d * static_cast<Int128>(weight);
    });
  }
  // sum (v - mean)^2 = sum (v - reference)^2 - n (mean - reference)^2
  const double rest = static_cast<double>(totals.sum - static_cast<Int128>(reference) *
                                                           static_cast<Int128>(totals.count)) /
                      n;
  const auto unit = static_cast<double>(std::uint64_t{1} << scale);
  const double total = static_cast<double>(squares) * unit * unit - n * rest * rest;
  return std::sqrt(std::max(total, 0.0) / (n - static_cast<double>(ddof)));
}

}  // namespace detail

}  // namespace kvsim
