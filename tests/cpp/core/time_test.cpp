#include "kvsim/core/time.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include "check.hpp"
#include "kvsim/core/philox.hpp"

using kvsim::round_half_even;
using kvsim::round_half_even_checked;

TEST(time, ties_go_to_even) {
  CHECK_EQ(round_half_even(0.5), 0);
  CHECK_EQ(round_half_even(1.5), 2);
  CHECK_EQ(round_half_even(2.5), 2);
  CHECK_EQ(round_half_even(-0.5), 0);
  CHECK_EQ(round_half_even(-1.5), -2);
  CHECK_EQ(round_half_even(-2.5), -2);
  CHECK_EQ(round_half_even(0.49999999999999994), 0);
  CHECK_EQ(round_half_even(-0.0), 0);
  CHECK_EQ(round_half_even(0x1p51), std::int64_t{1} << 51);
  CHECK_EQ(round_half_even(-0x1p51), -(std::int64_t{1} << 51));
  static_assert(round_half_even(7.5) == 8);
}

TEST(time, rounds_as_nearbyint_over_the_whole_range) {
  const kvsim::Stream stream(1, 1);
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const auto words = stream.block(i);
    const double unit = static_cast<double>(words[0] >> 11) * 0x1p-53 - 0.5;
    const double x = std::ldexp(unit, static_cast<int>(words[1] % 53));
    REQUIRE(round_half_even(x) == std::llrint(x));
    const double half = std::floor(x) + 0.5;
    REQUIRE(round_half_even(half) == std::llrint(half));
    const double large = std::ldexp(unit, static_cast<int>(words[2] % 64));
    REQUIRE(round_half_even_checked(large, "x") == std::llrint(large));
  }
}

TEST(time, the_checked_variant_takes_all_of_int64_and_no_more) {
  CHECK_EQ(round_half_even_checked(0x1.00000000000018p51, "x"), (std::int64_t{1} << 51) + 1);
  CHECK_EQ(round_half_even_checked(0x1p51 + 0.5, "x"), std::int64_t{1} << 51);
  CHECK_EQ(round_half_even_checked(0x1p51 + 1.5, "x"), (std::int64_t{1} << 51) + 2);
  CHECK_EQ(round_half_even_checked(-0x1p51 - 0.5, "x"), -(std::int64_t{1} << 51));
  CHECK_EQ(round_half_even_checked(-0x1p51 - 1.5, "x"), -(std::int64_t{1} << 51) - 2);
  CHECK_EQ(round_half_even_checked(0x1.fffffffffffffp62, "x"), 0x7FFFFFFFFFFFFC00);
  CHECK_THROWS_KIND(round_half_even_checked(0x1p63, "step"), config, "step: got a number >= 2^63");
  CHECK_THROWS_KIND(round_half_even_checked(-0x1p63, "step"), config, "a number <= -2^63");
  CHECK_THROWS_KIND(round_half_even_checked(std::nan(""), "step"), config, "step: got NaN");
  CHECK_THROWS_KIND(kvsim::ns_from_s(1e300, "gap"), config, "gap: got");
}

TEST(time, converts_units) {
  CHECK_EQ(kvsim::ns_from_s(1.5), 1'500'000'000);
  CHECK_EQ(kvsim::ns_from_ms(0.0000005), 0);
  CHECK_EQ(kvsim::ns_from_us(2.5), 2500);
  CHECK_EQ(kvsim::ms_from_ns(1'500'000), 1.5);
  CHECK_EQ(kvsim::s_from_ns(250'000'000), 0.25);
  CHECK_EQ(kvsim::us_from_ns(1), 0.001);
}
