// Doubles as the shortest decimals that read back as them.
#pragma once

#include <cstdint>
#include <string>

namespace kvsim {

struct Decimal {
  std::uint64_t digits;  // at most 17, the last one no zero
  int exponent;          // value = digits * 10^exponent
};

// Of a finite value above 0. Of all decimals that round to it, one with the fewest digits, and of
// those the nearest: what std::to_chars writes, whose tables are a tenth of the WebAssembly module.
[[nodiscard]] Decimal shortest_decimal(double value);

// As Python's repr: positional for 1e-4 <= |value| < 1e16, and a point always.
[[nodiscard]] std::string decimal_text(double value);

}  // namespace kvsim
