// Schubfach: R. Giulietti, "The Schubfach way to render doubles", 2020-2021. Symbols as there: the
// value is c 2^q, the candidates are multiples of 10^k and of 10^(k+1).

#include "kvsim/core/decimal.hpp"

#include <bit>
#include <cmath>

#include "kvsim/core/math_tables.hpp"
#include "kvsim/core/wide.hpp"

namespace kvsim {

namespace {

constexpr int mantissa_bits = 52;
constexpr int least_exponent = -1074;

// floor(log2 10^e) for |e| <= 1233 and floor(log10 2^q) for |q| <= 1650; with `three_quarters`
// floor(log10(3/4 2^q)).
int floor_log2_pow10(int e) { return (e * 1741647) >> 19; }
int floor_log10_pow2(int q, bool three_quarters) {
  return (q * 1262611 - (three_quarters ? 524031 : 0)) >> 22;
}

// 10^e as 128 bits with the highest one set, rounded up. A row of the table times a power of five
// is exact enough for all -292 <= e <= 324 (tests/cpp/core/decimal_test.cpp).
Wide power_of_ten(int e) {
  const int from_first = e - math::detail::first_power;
  const auto& row = math::detail::power_rows[from_first / math::detail::power_step];
  std::uint64_t five = 1;
  for (int i = from_first % math::detail::power_step; i > 0; --i) five *= 5;
  const Wide middle = multiply_wide(row[1], five);
  const Wide top = multiply_wide(row[0], five);
  const std::uint64_t w1 = middle.low + multiply_wide(row[2], five).high;
  const std::uint64_t carry = middle.high + (w1 < middle.low ? 1 : 0);
  const std::uint64_t w2 = top.low + carry;
  const std::uint64_t w3 = top.high + (w2 < carry ? 1 : 0);
  Wide power{w2, w1};
  if (w3 != 0) {  // by 1 to 61 bits too long
    const int shift = std::countl_zero(w3);
    power = {w3 << shift | w2 >> (64 - shift), w2 << shift | w1 >> (64 - shift)};
  }
  const bool exact = 0 <= e && e <= 55;
  if (!exact && ++power.low == 0) ++power.high;
  return power;
}

// power * x / 2^128, with the last bit set if that is not whole.
std::uint64_t round_to_odd(const Wide& power, std::uint64_t x) {
  const std::uint64_t below = multiply_wide(power.low, x).high;
  Wide product = multiply_wide(power.high, x);
  product.low += below;
  if (product.low < below) ++product.high;
  return product.high | (product.low > 1 ? 1 : 0);
}

Decimal without_zeros(std::uint64_t digits, int exponent) {
  for (; digits % 10 == 0; digits /= 10) ++exponent;
  return {digits, exponent};
}

}  // namespace

Decimal shortest_decimal(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const std::uint64_t fraction = bits & ((std::uint64_t{1} << mantissa_bits) - 1);
  const auto biased = static_cast<int>(bits >> mantissa_bits);
  const std::uint64_t c = biased == 0 ? fraction : fraction | std::uint64_t{1} << mantissa_bits;
  const int q = least_exponent + (biased == 0 ? 0 : biased - 1);
  const bool close_below = fraction == 0 && biased > 1;  // the next smaller one is half as far

  const int k = floor_log10_pow2(q, close_below);
  const int h = q + floor_log2_pow10(-k) + 1;
  const Wide power = power_of_ten(-k);
  // Four times the value and the ends of what rounds to it, in units of 10^k.
  const std::uint64_t v = round_to_odd(power, (4 * c) << h);
  const std::uint64_t open = c % 2;  // an end itself rounds to the even neighbour
  const std::uint64_t low = round_to_odd(power, (4 * c - (close_below ? 1 : 2)) << h) + open;
  const std::uint64_t high = round_to_odd(power, (4 * c + 2) << h) - open;

  const std::uint64_t s = v / 4;
  if (s >= 10) {  // one digit fewer, if just one such decimal rounds to the value
    const std::uint64_t tens = s / 10;
    const bool down = low <= 40 * tens;
    const bool up = 40 * tens + 40 <= high;
    if (down != up) return without_zeros(tens + (up ? 1 : 0), k + 1);
  }
  const bool down = low <= 4 * s;
  const bool up = 4 * s + 4 <= high;
  if (down != up) return without_zeros(s + (up ? 1 : 0), k);
  const std::uint64_t half = 4 * s + 2;
  const bool rounds_up = v > half || (v == half && s % 2 == 1);
  return without_zeros(s + (rounds_up ? 1 : 0), k);
}

std::string decimal_text(double value) {
  if (std::isnan(value)) return "NaN";
  std::string out = std::signbit(value) ? "-" : "";
  if (std::isinf(value)) return out + "inf";
  if (value == 0) return out + "0.0";
  const Decimal decimal = shortest_decimal(std::abs(value));
  const std::string digits = std::to_string(decimal.digits);
  const int count = static_cast<int>(digits.size());
  const int exponent = decimal.exponent + count - 1;  // of the first digit
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out.append(".").append(digits, 1);
    out.append(exponent < 0 ? "e-" : "e+").append(std::abs(exponent) < 10 ? "0" : "");
    return out + std::to_string(std::abs(exponent));
  }
  if (exponent < 0) {
    return out.append("0.").append(static_cast<std::size_t>(-exponent - 1), '0').append(digits);
  }
  if (count <= exponent + 1) {
    return out.append(digits).append(static_cast<std::size_t>(exponent + 1 - count), '0') + ".0";
  }
  const auto whole = static_cast<std::size_t>(exponent + 1);
  return out.append(digits, 0, whole).append(".").append(digits, whole);
}

}  // namespace kvsim
