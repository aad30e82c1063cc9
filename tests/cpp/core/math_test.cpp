#include "kvsim/core/math.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "check.hpp"
#include "kvsim/core/philox.hpp"

namespace math = kvsim::math;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int samples = 20000;
const kvsim::Stream stream(2024, 1);

double unit(int i, std::size_t word) {
  return static_cast<double>(stream.block(static_cast<std::uint64_t>(i))[word] >> 11) * 0x1p-53;
}

// Uniform in size on a logarithmic scale from 2^low to 2^high, of either sign.
double spread(int i, int low, int high) {
  const double exponent = low + (high - low) * unit(i, 1);
  return std::ldexp(2 * unit(i, 0) - 1, static_cast<int>(exponent));
}

// Distance in units in the last place; libm in long double where that has more bits than double.
double ulps(double got, long double want) {
  const auto rounded = static_cast<double>(want);
  if (std::isinf(rounded) || rounded == 0) return got == rounded ? 0 : 1e9;
  const double size = std::fabs(rounded);
  const double ulp = std::nextafter(size, infinity) - size;
  return static_cast<double>(
      std::fabs((static_cast<long double>(got) - want) / static_cast<long double>(ulp)));
}

template <class F, class G, class X>
double worst(F f, G g, X x) {
  double most = 0;
  for (int i = 0; i < samples; ++i) {
    const double argument = x(i);
    most = std::fmax(most, ulps(f(argument), g(static_cast<long double>(argument))));
  }
  return most;
}

std::uint64_t bits(double x) { return std::bit_cast<std::uint64_t>(x); }

// FNV-1a over the bits of f at many places: one number that holds them all.
template <class F, class X>
std::uint64_t digest(F f, X x) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (int i = 0; i < samples; ++i) hash = (hash ^ bits(f(x(i)))) * 0x100000001b3;
  return hash;
}

}  // namespace

// Where long double is double (other platforms), libm's own error of about 1 comes on top.
constexpr double slack = std::numeric_limits<long double>::digits > 53 ? 0 : 1;

TEST(math, exp_and_log_are_accurate) {
  CHECK(worst(
            math::exp, [](long double x) { return std::exp(x); },
            [](int i) { return 1400 * unit(i, 0) - 700; }) < 0.52 + slack);
  CHECK(worst(
            math::exp, [](long double x) { return std::exp(x); },
            [](int i) { return spread(i, -60, 3); }) < 0.52 + slack);
  const auto log = [](long double x) { return std::log(x); };
  CHECK(worst(math::log, log, [](int i) { return unit(i, 0) + 0x1p-60; }) < 0.8 + slack);
  CHECK(worst(math::log, log, [](int i) { return 1 + spread(i, -50, 0); }) < 0.8 + slack);
  CHECK(worst(math::log, log, [](int i) { return std::fabs(spread(i, -1070, 1020)); }) <
        0.8 + slack);
}

TEST(math, log1p_expm1_and_pow_are_accurate) {
  CHECK(worst(
            math::log1p, [](long double x) { return std::log1p(x); },
            [](int i) { return std::fmax(spread(i, -60, 2), -0.9999); }) < 1.6 + slack);
  CHECK(worst(
            math::expm1, [](long double x) { return std::expm1(x); },
            [](int i) { return spread(i, -60, 6); }) < 1.1 + slack);
  for (const double y : {0.5, -1.5, 3.0, 17.3, -40.0, 0.01, -0.9}) {
    CHECK(worst([y](double x) { return math::pow(x, y); },
                [y](long double x) { return std::pow(x, static_cast<long double>(y)); },
                [](int i) { return std::fabs(spread(i, -16, 16)) + 1e-9; }) < 0.52 + slack);
  }
  // Near 1 with a large exponent the logarithm needs all its bits.
  CHECK(worst([](double x) { return math::pow(x, 1e8); },
              [](long double x) { return std::pow(x, 1e8L); },
              [](int i) { return 1 + 5e-6 * (unit(i, 0) - 0.5); }) < 0.6 + slack);
}

TEST(math, normal_distribution_is_accurate) {
  CHECK(worst(
            math::erf, [](long double x) { return std::erf(x); },
            [](int i) { return spread(i, -30, 3); }) < 5 + slack);
  CHECK(worst(
            math::erfc, [](long double x) { return std::erfc(x); },
            [](int i) { return 31 * unit(i, 0) - 5; }) < 8.5 + slack);
  for (int i = 0; i < samples; ++i) {
    const double p = unit(i, 0) * std::ldexp(1.0, -static_cast<int>(unit(i, 1) * 60)) + 0x1p-80;
    const double x = math::normal_quantile(p);
    // A Newton step from x to where the distribution function is p.
    const long double density = std::exp(-0.5L * x * x) * 0.39894228040143267794L;
    const long double error = (0.5L * std::erfc(-x * 0.70710678118654752440L) - p) / density;
    REQUIRE(std::fabs(static_cast<double>(error)) <=
            (16 + 8 * slack) * 0x1p-53 * std::fabs(x) + 1e-16);
  }
  CHECK_NEAR(math::normal_cdf(1.959963984540054), 0.975, 1e-15);
  CHECK_NEAR(math::normal_cdf(-1.0), 0.15865525393145705, 1e-16);
}

TEST(math, borders_of_the_domains) {
  CHECK_EQ(math::exp(0), 1.0);
  CHECK_EQ(math::exp(710), infinity);
  CHECK_EQ(math::exp(-746), 0.0);
  CHECK_EQ(math::exp(-infinity), 0.0);
  CHECK(std::isnan(math::exp(std::nan(""))));
  CHECK_EQ(math::log(1), 0.0);
  CHECK_EQ(math::log(0), -infinity);
  CHECK_EQ(math::log(infinity), infinity);
  CHECK(std::isnan(math::log(-1)));
  CHECK(std::isnan(math::log(std::nan(""))));
  CHECK_EQ(math::log1p(-1), -infinity);
  CHECK(std::isnan(math::log1p(-1.5)));
  CHECK_EQ(math::log1p(infinity), infinity);
  CHECK_EQ(math::expm1(-infinity), -1.0);
  CHECK_EQ(math::expm1(infinity), infinity);
  CHECK(std::signbit(math::log1p(-0.0)) && std::signbit(math::expm1(-0.0)));
  CHECK_EQ(math::pow(0, 2), 0.0);
  CHECK_EQ(math::pow(0, -2), infinity);
  CHECK_EQ(math::pow(0, 0), 1.0);
  CHECK_EQ(math::pow(infinity, -0.5), 0.0);
  CHECK_EQ(math::pow(infinity, 0.5), infinity);
  CHECK_EQ(math::pow(0.5, infinity), 0.0);
  CHECK_EQ(math::pow(2, infinity), infinity);
  CHECK_EQ(math::pow(1.5, 1e300), infinity);
  CHECK_EQ(math::pow(0.5, 1e-300), 1.0);
  CHECK_EQ(math::pow(10, -330), 0.0);
  CHECK(std::isnan(math::pow(-2, 2)));
  for (double x = 1; x < 100; ++x) {
    CHECK_EQ(math::pow(x, 2), x * x);
    CHECK_EQ(math::pow(x, 1), x);
    CHECK_EQ(math::pow(x * x, 0.5), x);
  }
  CHECK_EQ(math::normal_quantile(0.5), 0.0);
  CHECK_EQ(math::normal_quantile(0), -infinity);
  CHECK_EQ(math::normal_quantile(1), infinity);
  CHECK(std::isnan(math::normal_quantile(1.5)));
  CHECK_EQ(math::erfc(40), 0.0);
  CHECK_EQ(math::erfc(-40), 2.0);
  CHECK_EQ(math::erf(infinity), 1.0);
}

TEST(math, fixed_bits) {
  CHECK_EQ(bits(math::exp(1)), bits(0x1.5bf0a8b145769p+1));
  CHECK_EQ(bits(math::exp(-745.1)), bits(0x0.0000000000001p-1022));
  CHECK_EQ(bits(math::exp(709.78)), bits(0x1.fe9ce5c4c52b4p+1023));
  CHECK_EQ(bits(math::log(2)), bits(0x1.62e42fefa39efp-1));
  CHECK_EQ(bits(math::log(10)), bits(0x1.26bb1bbb55516p+1));
  CHECK_EQ(bits(math::log(0x1p-1074)), bits(-0x1.74385446d71c3p+9));
  CHECK_EQ(bits(math::pow(2, 0.5)), bits(0x1.6a09e667f3bcdp+0));
}

// The same on every platform, with any compiler and optimisation.
TEST(math, digests_of_many_values) {
  const auto any = [](int i) { return spread(i, -60, 9); };
  const auto positive = [](int i) { return std::fabs(spread(i, -1070, 1020)); };
  CHECK_EQ(digest(math::exp, any), 0x76595c3c68bf95aau);
  CHECK_EQ(digest(math::log, positive), 0x9658f21814a79f39u);
  CHECK_EQ(digest(math::log, [](int i) { return 1 + spread(i, -50, 0); }), 0xb12072c3ef577661u);
  CHECK_EQ(digest(math::expm1, any), 0x18266aaaf69f7a06u);
  CHECK_EQ(digest(math::log1p, [](int i) { return std::fabs(spread(i, -60, 60)); }),
           0x7e584333acc695cdu);
  CHECK_EQ(digest([](double x) { return math::pow(x, -0.7); }, positive), 0x9b6f0b4006656517u);
  CHECK_EQ(digest(math::erf, any), 0x5d6b3879bd6265d0u);
  CHECK_EQ(digest(math::erfc, any), 0xa7c9b14736e72375u);
  CHECK_EQ(digest(math::normal_quantile, [](int i) { return unit(i, 0) + 0x1p-60; }),
           0x7f170df33b72dc36u);
}
