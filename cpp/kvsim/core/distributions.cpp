#include "kvsim/core/distributions.hpp"

#include <cmath>

namespace kvsim {

LogNormal LogNormal::from_mean_cv(double mean, double cv) {
  const double variance = math::log1p(cv * cv);  // of the logarithm
  return {math::log(mean) - 0.5 * variance, std::sqrt(variance)};
}

double gamma(const Stream& stream, std::uint64_t entity, std::uint64_t draw, double shape,
             double scale) {
  // Gamma(a) = Gamma(a + 1) U^(1/a) takes the method to where it works, shapes from 1 on.
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  Block block = stream.block(entity, draw);
  const double boost = shape < 1 ? math::pow(positive_unit_from_word(block[2]), 1 / shape) : 1.0;
  while (true) {
    const double x = normal_from_word(block[0]);
    const double root = 1 + c * x;
    const double v = root * root * root;
    if (v > 0) {
      const double u = positive_unit_from_word(block[1]);
      const double x2 = x * x;
      const bool accepted =
          u < 1 - 0.0331 * x2 * x2 || math::log(u) < 0.5 * x2 + d * (1 - v + math::log(v));
      if (accepted) return d * v * boost * scale;
    }
    block = stream.block(entity, ++draw);
  }
}

}  // namespace kvsim
