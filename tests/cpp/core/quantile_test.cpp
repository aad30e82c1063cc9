#include "kvsim/core/quantile.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "check.hpp"
#include "kvsim/core/distributions.hpp"
#include "kvsim/core/error.hpp"

using kvsim::quantiles;

namespace {

const kvsim::Stream stream(7, 8);

// The definition.
template <class T>
std::vector<T> by_sorting(std::vector<T> values, const std::vector<double>& qs) {
  std::sort(values.begin(), values.end());
  std::vector<T> result;
  for (const double q : qs) {
    const double rank = std::ceil(q * static_cast<double>(values.size()));
    result.push_back(values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1]);
  }
  return result;
}

std::vector<std::int64_t> integers(std::size_t n, int kind) {
  std::vector<std::int64_t> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto words = stream.block(i, static_cast<std::uint64_t>(kind));
    switch (kind) {
      case 0:  // all of int64
        values[i] = static_cast<std::int64_t>(words[0]);
        break;
      case 1:  // few distinct
        values[i] = static_cast<std::int64_t>(words[0] % 5) - 2;
        break;
      case 2:  // narrow, with far outliers
        values[i] = 20'000'000 + static_cast<std::int64_t>(words[0] % 1'000'000);
        if (words[1] % 500 == 0) values[i] = static_cast<std::int64_t>(words[2] >> 2);
        break;
      case 3:  // ever smaller sizes: every level of the selection has a narrow part
        values[i] = static_cast<std::int64_t>(words[0] >> (words[1] % 64) >> 1);
        break;
      default:
        values[i] = 42;
    }
  }
  return values;
}

// numpy.random.Generator(Philox(key=(7, 8), counter=0)).random(n) * 1000 - 300
std::vector<double> numpy_values(std::size_t n) {
  std::vector<double> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    values[i] = kvsim::unit(stream.block(1 + i / 4)[i % 4]) * 1000 - 300;
  }
  return values;
}

}  // namespace

TEST(quantile, nearest_rank_by_its_definition) {
  CHECK_EQ(kvsim::nearest_rank(0, 10), 1);
  CHECK_EQ(kvsim::nearest_rank(1, 10), 10);
  CHECK_EQ(kvsim::nearest_rank(0.5, 10), 5);
  CHECK_EQ(kvsim::nearest_rank(0.5, 11), 6);
  CHECK_EQ(kvsim::nearest_rank(0.99, 100), 99);
  CHECK_EQ(kvsim::nearest_rank(0.99, 101), 100);
  CHECK_EQ(kvsim::nearest_rank(1e-300, 10), 1);
  CHECK_EQ(kvsim::nearest_rank(1, std::numeric_limits<std::uint64_t>::max()),
           std::numeric_limits<std::uint64_t>::max());
  CHECK_THROWS_KIND(kvsim::nearest_rank(1.01, 10), config, "quantile: got 1.01");
  CHECK_THROWS_KIND(kvsim::nearest_rank(-0.1, 10), config, "allowed: a number >= 0 and <= 1");
  CHECK_THROWS_KIND(kvsim::nearest_rank(std::nan(""), 10), config, "got NaN");
  CHECK_THROWS_KIND(kvsim::nearest_rank(0.5, 0), invariant, "no values");
}

TEST(quantile, integers_as_by_sorting) {
  // Not in ascending order, and one twice.
  const std::vector<double> qs = {0.99, 0, 0.5, 0.25, 0.999, 1, 0.5, 0.75, 0.9};
  for (int kind = 0; kind <= 4; ++kind) {
    for (const std::size_t n : {1U, 2U, 3U, 10U, 100U, 255U, 256U, 257U, 1000U, 30000U}) {
      const std::vector<std::int64_t> values = integers(n, kind);
      CHECK_EQ(quantiles(values, qs), by_sorting(values, qs));
    }
  }
  CHECK(quantiles(integers(10, 0), {}).empty());
}

TEST(quantile, doubles_as_by_sorting) {
  const std::vector<double> qs = {0.01, 0.5, 0.9, 0.99, 0, 1};
  std::vector<double> values = numpy_values(10000);
  CHECK_EQ(quantiles(values, qs), by_sorting(values, qs));
  values.push_back(std::numeric_limits<double>::infinity());
  values.push_back(-std::numeric_limits<double>::infinity());
  values.push_back(-0.0);
  values.push_back(1e-310);
  CHECK_EQ(quantiles(values, qs), by_sorting(values, qs));
  values.push_back(std::nan(""));
  CHECK_THROWS_KIND(quantiles(values, qs), invariant, "NaN");
  CHECK_THROWS_KIND(quantiles(std::vector<double>{}, qs), invariant, "no values");
}

TEST(quantile, mean_and_standard_deviation_have_numpys_bits) {
  struct Row {
    std::size_t n;
    double sum, mean, population, sample;
  };
  const Row rows[] = {
      {5, 0x1.b68d1b069d9a2p+8, 0x1.5ed748d217ae8p+6, 0x1.6fee1aad7a563p+7, 0x1.9b5bbce7ae910p+7},
      {8, 0x1.ceedb0466bdf1p+10, 0x1.ceedb0466bdf1p+7, 0x1.0ed4c59867fd4p+8, 0x1.2187d9d116dd2p+8},
      {100, 0x1.8481bc85c3ad4p+14, 0x1.f149e7119e4e6p+7, 0x1.244b22cb098a6p+8,
       0x1.25c419e8179c8p+8},
      {128, 0x1.c533f806f84fcp+14, 0x1.c533f806f84fcp+7, 0x1.21071e9ba5493p+8,
       0x1.2229da1c7a182p+8},
      {129, 0x1.c112686876976p+14, 0x1.bd9739f48d7c6p+7, 0x1.231b9de64387ep+8,
       0x1.243e288733b33p+8},
      {1000, 0x1.7dc628a928440p+17, 0x1.86efc755272f2p+7, 0x1.2762251bb2814p+8,
       0x1.2787fb7f033f0p+8},
      {10007, 0x1.ec6f9f0f5fe7ap+20, 0x1.931f1448db84dp+7, 0x1.2394c6363e3c6p+8,
       0x1.23988111766a7p+8},
      {20000, 0x1.e98081993fb31p+21, 0x1.9100014f41b31p+7, 0x1.22b52306a31aap+8,
       0x1.22b6ff56cce18p+8}};
  for (const Row& row : rows) {
    const std::vector<double> values = numpy_values(row.n);
    CHECK_EQ(kvsim::pairwise_sum(values), row.sum);
    CHECK_EQ(kvsim::mean(values), row.mean);
    CHECK_EQ(kvsim::standard_deviation(values), row.population);
    CHECK_EQ(kvsim::standard_deviation(values, 1), row.sample);
  }
  CHECK(std::isnan(kvsim::mean(std::vector<double>{})));
  CHECK(std::isnan(kvsim::standard_deviation(std::vector<double>{})));
  CHECK(std::isnan(kvsim::standard_deviation(std::vector<double>{1.0}, 1)));
  CHECK_EQ(kvsim::standard_deviation(std::vector<double>{1.0}), 0.0);
}

TEST(quantile, integer_moments_are_exact_and_do_not_depend_on_order) {
  using Values = std::vector<std::int64_t>;
  CHECK_EQ(kvsim::mean(Values{1, 2, 4}), 7.0 / 3);
  CHECK_EQ(kvsim::standard_deviation(Values{2, 4, 4, 4, 5, 5, 7, 9}), 2.0);
  CHECK_NEAR(kvsim::standard_deviation(Values{2, 4, 4, 4, 5, 5, 7, 9}, 1), std::sqrt(32.0 / 7),
             1e-15);
  // Large values that differ little: nothing cancels.
  CHECK_EQ(kvsim::standard_deviation(Values{1'000'000'000'000'000'001, 1'000'000'000'000'000'003}),
           1.0);
  for (int kind = 0; kind <= 4; ++kind) {
    Values values = integers(3000, kind);
    const double mean = kvsim::mean(values);
    const double deviation = kvsim::standard_deviation(values);
    long double sum = 0, squares = 0;
    for (const std::int64_t v : values) sum += static_cast<long double>(v);
    const long double center = sum / 3000;
    for (const std::int64_t v : values) {
      squares += (static_cast<long double>(v) - center) * (static_cast<long double>(v) - center);
    }
    const auto expected = static_cast<double>(std::sqrt(squares / 3000));
    CHECK_NEAR(mean, static_cast<double>(center), 1e-14 * std::fabs(mean) + 1e-9);
    CHECK_NEAR(deviation, expected, 1e-12 * expected);
    std::sort(values.begin(), values.end());
    CHECK_EQ(kvsim::mean(values), mean);
    CHECK_EQ(kvsim::standard_deviation(values), deviation);
  }
  CHECK(std::isnan(kvsim::mean(Values{})));
  CHECK(std::isnan(kvsim::standard_deviation(Values{})));
  CHECK(std::isnan(kvsim::standard_deviation(Values{3}, 1)));
}
