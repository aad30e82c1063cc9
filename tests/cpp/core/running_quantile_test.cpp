#include "kvsim/core/running_quantile.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "check.hpp"
#include "kvsim/core/distributions.hpp"

using kvsim::RunningQuantile;

TEST(running_quantile, follows_the_sorted_values_within_a_bin) {
  const kvsim::Stream stream(7, kvsim::Purpose::hedging);
  for (const double q : {0.5, 0.95, 0.999}) {
    RunningQuantile running(q);
    std::vector<std::int64_t> sorted;
    for (std::uint64_t i = 0; i < 3000; ++i) {
      // Over many octaves, rising and falling.
      const double scale = std::sin(static_cast<double>(i) / 300) > 0 ? 1e6 : 1e3;
      const auto value = static_cast<std::int64_t>(exponential(stream, i, 0, scale));
      sorted.insert(std::lower_bound(sorted.begin(), sorted.end(), value), value);
      running.add(value);
      const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(i + 1)));
      const auto exact = static_cast<double>(sorted[rank - 1]);
      const auto found = static_cast<double>(running.value());
      CHECK(found >= exact);
      CHECK(found <= exact * (1 + 1.0 / 64) + 1);
    }
    CHECK_EQ(running.count(), 3000U);
  }
}

TEST(running_quantile, small_values_are_exact_and_none_is_zero) {
  RunningQuantile running(0.5);
  CHECK_EQ(running.value(), 0);
  for (const std::int64_t v : {5, 1, 100}) running.add(v);
  CHECK_EQ(running.value(), 5);
  for (int i = 0; i < 10; ++i) running.add(std::int64_t{1} << 61);
  CHECK(running.value() >= std::int64_t{1} << 61);
}
