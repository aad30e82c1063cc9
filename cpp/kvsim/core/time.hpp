// Time is int64 nanoseconds, which is 292 years. Durations are computed in double and rounded once.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "kvsim/core/error.hpp"

namespace kvsim {

using Ns = std::int64_t;

inline constexpr Ns kNsPerUs = 1'000;
inline constexpr Ns kNsPerMs = 1'000'000;
inline constexpr Ns kNsPerS = 1'000'000'000;
inline constexpr Ns kNever = std::numeric_limits<Ns>::max();

// Nearest integer, ties to even, for |x| <= 2^51 (26 days in ns); beyond, the result is wrong.
// Adding 1.5 * 2^52 leaves doubles whose last bit is worth 1, so the addition itself rounds (in the
// default rounding mode), and the mantissa's low bits are the integer in two's complement.
[[nodiscard]] constexpr std::int64_t round_half_even(double x) {
  constexpr double magic = 0x1.8p52;
  return std::bit_cast<std::int64_t>(x + magic) - std::bit_cast<std::int64_t>(magic);
}

// The same for every |x| < 2^63; anything else (NaN too) fails as `what`.
[[nodiscard]] inline std::int64_t round_half_even_checked(double x, std::string_view what) {
  if (std::abs(x) <= 0x1p51) return round_half_even(x);
  if (!(std::abs(x) < 0x1p63)) {
    bad_field(what,
              x != x  ? "NaN"
              : x > 0 ? "a number >= 2^63"
                      : "a number <= -2^63",
              "less than 2^63 in magnitude (in ns: 292 years)");
  }
  // Spacing is 1/2 up to 2^52 and whole numbers above: all of this is exact.
  const double low = std::floor(x);
  const auto integer = static_cast<std::int64_t>(low);
  return integer + (x - low == 0.5 ? integer & 1 : 0);
}

[[nodiscard]] inline Ns ns_from_s(double s, std::string_view what = "time") {
  return round_half_even_checked(s * 1e9, what);
}
[[nodiscard]] inline Ns ns_from_ms(double ms, std::string_view what = "time") {
  return round_half_even_checked(ms * 1e6, what);
}
[[nodiscard]] inline Ns ns_from_us(double us, std::string_view what = "time") {
  return round_half_even_checked(us * 1e3, what);
}
[[nodiscard]] constexpr double s_from_ns(Ns ns) { return static_cast<double>(ns) / 1e9; }
[[nodiscard]] constexpr double ms_from_ns(Ns ns) { return static_cast<double>(ns) / 1e6; }
[[nodiscard]] constexpr double us_from_ns(Ns ns) { return static_cast<double>(ns) / 1e3; }

}  // namespace kvsim
