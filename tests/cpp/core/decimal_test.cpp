#include "kvsim/core/decimal.hpp"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "check.hpp"
#include "kvsim/core/philox.hpp"

using kvsim::Decimal;
using kvsim::shortest_decimal;

namespace {

// The definition: digits and exponent of what the standard library writes.
Decimal by_to_chars(double value) {
  char buffer[32];
  const char* end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string digits(1, buffer[0]);
  const char* at = buffer + 1;
  if (*at == '.') {
    while (*++at != 'e') digits += *at;
  }
  const bool negative = at[1] == '-';
  int exponent = 0;
  std::from_chars(at + 2, end, exponent);
  if (negative) exponent = -exponent;
  return {std::stoull(digits), exponent - static_cast<int>(digits.size()) + 1};
}

int wrong(double value) {
  if (!std::isfinite(value) || value <= 0) return 0;
  const Decimal expected = by_to_chars(value);
  const Decimal found = shortest_decimal(value);
  return found.digits == expected.digits && found.exponent == expected.exponent ? 0 : 1;
}

int wrong_around(double value) {
  return wrong(value) + wrong(std::nextafter(value, 0.0)) +
         wrong(std::nextafter(value, std::numeric_limits<double>::infinity()));
}

}  // namespace

TEST(decimal, is_what_to_chars_writes_for_any_bits) {
  const kvsim::Stream stream(3, 4);
  int count = 0;
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    count += wrong(std::bit_cast<double>(stream.word(i) >> 1));
  }
  CHECK_EQ(count, 0);
}

// Every power of two (where the interval is uneven) and of ten, few digits, whole numbers.
TEST(decimal, is_what_to_chars_writes_at_the_edges) {
  int count = 0;
  for (int e = -1074; e <= 1023; ++e) count += wrong_around(std::ldexp(1.0, e));
  for (int e = -324; e <= 308; ++e) {
    for (int digits = 1; digits < 100; ++digits) {
      count += wrong_around(
          std::strtod((std::to_string(digits) + "e" + std::to_string(e)).c_str(), nullptr));
    }
  }
  for (int i = 1; i < 20'000; ++i) {
    count += wrong(i) + wrong(i / 1000.0) + wrong(0x1p53 + 2 * i) + wrong(3 * (0x1p54 + 4 * i));
  }
  CHECK_EQ(count, 0);
}

TEST(decimal, has_the_fewest_digits) {
  CHECK_EQ(shortest_decimal(0.3).digits, 3U);
  CHECK_EQ(shortest_decimal(0.3).exponent, -1);
  CHECK_EQ(shortest_decimal(1e23).digits, 1U);
  CHECK_EQ(shortest_decimal(5e-324).digits, 5U);
  CHECK_EQ(shortest_decimal(9007199254740993.0).digits, 9007199254740992U);
}
