// exp, log and relatives with the same bits on every platform: only + - * / and sqrt, no fma,
// tables with exact decimals behind them (math_tables.hpp). Largest errors seen on millions of
// arguments, in units in the last place: exp and pow 0.51, log 0.75, expm1 1.01, log1p 1.44,
// erf 4.3, erfc 7.6 (tests/cpp/core/math_test.cpp holds them to somewhat more); normal_quantile 8 *
// 2^-53, relative.
//
// Outside a function's domain the result is NaN, beyond double's range infinity or 0, as in
// <cmath>.
#pragma once

namespace kvsim::math {

[[nodiscard]] double exp(double x);
[[nodiscard]] double expm1(double x);  // exp(x) - 1
[[nodiscard]] double log(double x);
[[nodiscard]] double log1p(double x);          // log(1 + x)
[[nodiscard]] double pow(double x, double y);  // x >= 0; pow(x, 0) = pow(1, y) = 1
[[nodiscard]] double erf(double x);
[[nodiscard]] double erfc(double x);  // 1 - erf(x)
[[nodiscard]] double normal_cdf(double x);
[[nodiscard]] double normal_quantile(double p);  // 0 < p < 1; -infinity at 0, infinity at 1

}  // namespace kvsim::math
