#include "kvsim/core/distributions.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "check.hpp"

using kvsim::Purpose;
using kvsim::Stream;

namespace {

constexpr std::uint64_t all_ones = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t samples = 20000;
const Stream stream(5, Purpose::service);

// Kolmogorov's statistic sqrt(n) sup |F_n - F|; 1.95 is passed by chance once in a thousand laws.
template <class Draw, class Cdf>
double kolmogorov(Draw draw, Cdf cdf) {
  std::vector<double> x(samples);
  for (std::uint64_t i = 0; i < samples; ++i) x[i] = draw(i);
  std::sort(x.begin(), x.end());
  const auto n = static_cast<double>(samples);
  double most = 0;
  for (std::uint64_t i = 0; i < samples; ++i) {
    const double f = cdf(x[i]);
    most = std::max({most, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return most * std::sqrt(n);
}

// Regularised incomplete gamma function, by its series.
double gamma_cdf(double shape, double x) {
  double term = 1 / shape;
  double sum = term;
  for (double k = shape + 1; term > sum * 1e-16; ++k) sum += term *= x / k;
  return sum * std::exp(-x + shape * std::log(x) - std::lgamma(shape));
}

}  // namespace

TEST(distributions, units_stay_in_their_intervals) {
  CHECK_EQ(kvsim::unit(0), 0.0);
  CHECK_EQ(kvsim::unit(all_ones), 1 - 0x1p-53);
  CHECK_EQ(kvsim::positive_unit(0), 0x1p-53);
  CHECK_EQ(kvsim::positive_unit(all_ones), 1.0);
  CHECK_EQ(kvsim::open_unit(0), 0x1p-53);
  CHECK_EQ(kvsim::open_unit(all_ones), 1 - 0x1p-53);
  CHECK(std::isfinite(kvsim::normal(0)));
  CHECK_EQ(kvsim::normal(0), -kvsim::normal(all_ones));
  CHECK_EQ(kvsim::exponential(all_ones), 0.0);
  CHECK_NEAR(kvsim::exponential(0), 53 * std::log(2.0), 1e-13);
}

TEST(distributions, integers_reach_their_bounds_and_no_further) {
  CHECK_EQ(kvsim::uniform_below(all_ones, 7), 6);
  CHECK_EQ(kvsim::uniform_below(0, 7), 0);
  CHECK_EQ(kvsim::uniform_below(all_ones, 1), 0);
  CHECK_EQ(kvsim::uniform_below(all_ones, all_ones), all_ones - 1);
  CHECK_EQ(kvsim::uniform_integer(all_ones, -3, 3), 3);
  CHECK_EQ(kvsim::uniform_integer(0, -3, 3), -3);
  const std::int64_t least = std::numeric_limits<std::int64_t>::min();
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  CHECK_EQ(kvsim::uniform_integer(0, least, most), least);
  CHECK_EQ(kvsim::uniform_integer(all_ones, least, most), most);
  std::vector<double> count(10);
  for (std::uint64_t i = 0; i < samples; ++i) ++count[kvsim::uniform_below(stream, i, 0, 10)];
  double chi2 = 0;
  for (const double c : count) chi2 += (c - 2000) * (c - 2000) / 2000;
  CHECK(chi2 < 27.9);  // one in a thousand
}

TEST(distributions, variates_follow_their_laws) {
  using namespace kvsim;
  CHECK(kolmogorov([](auto i) { return uniform(stream, i, 0); }, [](double x) { return x; }) <
        1.95);
  CHECK(kolmogorov([](auto i) { return exponential(stream, i, 1, 2.0); },
                   [](double x) { return 1 - std::exp(-x / 2); }) < 1.95);
  CHECK(kolmogorov([](auto i) { return normal(stream, i, 2, 3.0, 0.5); },
                   [](double x) { return math::normal_cdf((x - 3) / 0.5); }) < 1.95);
  CHECK(kolmogorov([](auto i) { return pareto(stream, i, 3, 2.0, 1.5); },
                   [](double x) { return 1 - std::pow(2 / x, 1.5); }) < 1.95);
  const LogNormal law(0.3, 0.8);
  CHECK(kolmogorov([&](auto i) { return law(stream, i, 4); },
                   [](double x) { return math::normal_cdf((std::log(x) - 0.3) / 0.8); }) < 1.95);
  for (const double shape : {0.05, 0.5, 1.0, 2.5, 30.0}) {
    CHECK(kolmogorov([&](auto i) { return gamma(stream, i, 1000, shape, 2.0); },
                     [&](double x) { return gamma_cdf(shape, x / 2); }) < 1.95);
  }
}

TEST(distributions, log_normal_from_mean_and_cv) {
  const auto law = kvsim::LogNormal::from_mean_cv(100, 0.5);
  const double variance = law.sigma() * law.sigma();
  CHECK_NEAR(std::exp(law.mu() + variance / 2), 100, 1e-11);
  CHECK_NEAR(std::exp(variance) - 1, 0.25, 1e-15);
  const auto constant = kvsim::LogNormal::from_mean_cv(7, 0);
  CHECK_EQ(constant.sigma(), 0.0);
  CHECK_NEAR(constant(12345), 7, 1e-14);
}

TEST(distributions, zipf_follows_its_law) {
  for (const double exponent : {0.0, 0.6, 1.0, 1.0 + 1e-9, 2.0, 10.0}) {
    for (const std::uint64_t n : {1U, 2U, 12U}) {
      const kvsim::Zipf zipf(n, exponent);
      std::vector<double> count(n + 1);
      for (std::uint64_t i = 0; i < samples; ++i) ++count.at(zipf(stream, i, 2000));
      CHECK_EQ(count[0], 0.0);
      double total = 0;
      for (std::uint64_t k = 1; k <= n; ++k) total += std::pow(static_cast<double>(k), -exponent);
      double chi2 = 0;
      for (std::uint64_t k = 1; k <= n; ++k) {
        const double expected =
            static_cast<double>(samples) * std::pow(static_cast<double>(k), -exponent) / total;
        if (expected > 5) chi2 += (count[k] - expected) * (count[k] - expected) / expected;
      }
      CHECK(chi2 < 31.3);  // one in a thousand with 11 degrees of freedom
    }
  }
  // Far beyond what a table could hold.
  const kvsim::Zipf wide(std::uint64_t{1} << 50, 0.5);
  for (std::uint64_t i = 0; i < 100; ++i) CHECK(wide(stream, i) <= std::uint64_t{1} << 50);
}

TEST(distributions, draws_are_repeatable_and_separate) {
  CHECK_EQ(kvsim::gamma(stream, 3, 5, 0.7, 1.0), kvsim::gamma(stream, 3, 5, 0.7, 1.0));
  CHECK_EQ(kvsim::gamma(stream, 3, 0, 0.7, 1.0), kvsim::gamma(stream, 3, 0.7));
  CHECK(kvsim::gamma(stream, 3, 5, 0.7, 1.0) != kvsim::gamma(stream, 4, 5, 0.7, 1.0));
  // One number for all laws: the same on every platform.
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](double x) {
    hash = (hash ^ std::bit_cast<std::uint64_t>(x)) * 0x100000001b3;
  };
  const kvsim::Zipf zipf(1000, 1.1);
  const auto law = kvsim::LogNormal::from_mean_cv(1024, 1.0);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    add(kvsim::exponential(stream, i, 0, 1.5));
    add(kvsim::gamma(stream, i, 0, 0.3, 2.0));
    add(kvsim::gamma(stream, i, 0, 7.0, 2.0));
    add(law(stream, i, 0));
    add(kvsim::pareto(stream, i, 0, 1.0, 1.1));
    add(static_cast<double>(zipf(stream, i)));
  }
  CHECK_EQ(hash, 0x856e1c8c69788c80u);
}
