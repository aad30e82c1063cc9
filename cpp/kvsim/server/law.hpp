// Draws from the laws of random times (scenario/law_types.hpp).
#pragma once

#include <cstdint>
#include <vector>

#include "kvsim/core/distributions.hpp"
#include "kvsim/core/philox.hpp"
#include "kvsim/scenario/law_types.hpp"

namespace kvsim {

// A factor depends on (seed, purpose, entity, draw) alone. Four neighbouring entities share a block
// of random words.
class LawSampler {
 public:
  LawSampler(const Law& law, std::uint64_t seed, Purpose purpose);

  // draw: an attempt; each has words of its own.
  [[nodiscard]] double factor(std::uint64_t entity, std::uint64_t draw);

 private:
  enum class Kind : std::uint8_t { constant, exponential, lognormal, gamma, pareto, empirical };

  [[nodiscard]] std::uint64_t word(std::uint64_t entity, std::uint64_t draw) {
    if (entity / 4 != block_ || draw != draw_) {
      words_ = stream_.block(entity / 4, draw);
      block_ = entity / 4;
      draw_ = draw;
    }
    return words_[entity % 4];
  }

  Stream stream_;
  Kind kind_ = Kind::constant;
  LogNormal lognormal_{0, 0};
  double shape_ = 1;
  std::vector<double> values_;
  std::vector<double> cumulative_;
  std::uint64_t block_ = ~std::uint64_t{0};
  std::uint64_t draw_ = 0;
  Block words_{};
};

}  // namespace kvsim
