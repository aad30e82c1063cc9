// How many drafts are proposed and accepted: the hash law of the golden traces, uniform on 0..k and
// a function of (seed, request, outputs) alone, so that it does not depend on the schedule.
#pragma once

#include <cstdint>

namespace kvsim {

inline std::uint64_t splitmix64(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

inline std::int32_t spec_draw(std::uint64_t seed, std::uint64_t salt, std::uint64_t request,
                              std::uint64_t outputs, std::int64_t k) {
  const std::uint64_t mixed = ((seed * 65536 + salt) << 40) ^ (request << 20) ^ outputs;
  return static_cast<std::int32_t>(splitmix64(mixed) % static_cast<std::uint64_t>(k + 1));
}

inline constexpr std::uint64_t salt_accept = 0x4143;
inline constexpr std::uint64_t salt_propose = 0x5052;

}  // namespace kvsim
