// Counter-based random words: Philox4x64-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers,
// as easy as 1, 2, 3. SC 2011), the words of numpy.random.Philox. A word depends on (seed, purpose,
// entity, draw) alone, so adding an entity or changing a policy never shifts another one's draws.
#pragma once

#include <array>
#include <cstdint>

#include "kvsim/core/wide.hpp"

namespace kvsim {

using Block = std::array<std::uint64_t, 4>;

// Constants: Random123's philox.h, R = 10 rounds.
[[nodiscard]] constexpr Block philox4x64(Block counter, std::array<std::uint64_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const Wide a = multiply_wide(0xD2E7470EE14C6C93U, counter[0]);
    const Wide b = multiply_wide(0xCA5A826395121157U, counter[2]);
    counter = {b.high ^ counter[1] ^ key[0], b.low, a.high ^ counter[3] ^ key[1], a.low};
    key[0] += 0x9E3779B97F4A7C15U;
    key[1] += 0xBB67AE8584CAA73BU;
  }
  return counter;
}

// What a stream is for. The numbers are part of every result: append, never renumber.
enum class Purpose : std::uint64_t {
  arrivals = 1,
  lengths_prompt = 2,
  lengths_output = 3,
  prefix_group = 4,
  session = 5,
  priority = 6,
  spec_accept = 7,
  spec_propose = 8,
  service = 9,
  step_jitter = 10,
  link = 11,
  routing = 12,
  hedging = 13,
  failure = 14,
  think_time = 15,
  dataset_order = 16,
  eviction = 17,
  spec_request = 18,
};

// key = (word 0: seed, word 1: purpose), counter = (word 0: entity, word 1: draw, 0, 0). numpy
// increments the counter before it draws, its word 0 being the lowest, so block(entity, draw) is
//   Philox(key=[seed, purpose], counter=(entity + (draw << 64) - 1) % 2**256).random_raw(4).
class Stream {
 public:
  constexpr Stream(std::uint64_t seed, std::uint64_t purpose) : key_{seed, purpose} {}
  constexpr Stream(std::uint64_t seed, Purpose purpose)
      : Stream(seed, static_cast<std::uint64_t>(purpose)) {}

  [[nodiscard]] constexpr Block block(std::uint64_t entity, std::uint64_t draw = 0) const {
    return philox4x64({entity, draw, 0, 0}, key_);
  }
  [[nodiscard]] constexpr std::uint64_t word(std::uint64_t entity, std::uint64_t draw = 0) const {
    return block(entity, draw)[0];
  }

 private:
  std::array<std::uint64_t, 2> key_;
};

}  // namespace kvsim
