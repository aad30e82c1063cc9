// 64 x 64 -> 128 bit multiplication.
#pragma once

#include <cstdint>

namespace kvsim {

struct Wide {
  std::uint64_t high;
  std::uint64_t low;
};

// From 32-bit halves; the definition, and what WebAssembly runs (there a 128-bit product is a
// call).
[[nodiscard]] constexpr Wide multiply_wide_portable(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t mask = 0xFFFFFFFFU;
  const std::uint64_t a0 = a & mask, a1 = a >> 32, b0 = b & mask, b1 = b >> 32;
  const std::uint64_t p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
  const std::uint64_t middle = (p00 >> 32) + (p01 & mask) + (p10 & mask);
  return {p11 + (p01 >> 32) + (p10 >> 32) + (middle >> 32), (middle << 32) | (p00 & mask)};
}

[[nodiscard]] constexpr Wide multiply_wide(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__) && !defined(__wasm__)
  __extension__ typedef unsigned __int128 Product;
  const Product product = static_cast<Product>(a) * b;
  return {static_cast<std::uint64_t>(product >> 64), static_cast<std::uint64_t>(product)};
#else
  return multiply_wide_portable(a, b);
#endif
}

}  // namespace kvsim
