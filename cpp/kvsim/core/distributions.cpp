#include "kvsim/core/distributions.hpp"

#include <algorithm>
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
  Block words = stream.block(entity, draw);
  const double boost = shape < 1 ? math::pow(positive_unit(words[2]), 1 / shape) : 1.0;
  while (true) {
    const double x = normal(words[0]);
    const double root = 1 + c * x;
    const double v = root * root * root;
    if (v > 0) {
      const double u = positive_unit(words[1]);
      const double x2 = x * x;
      // The first test is cheap and nearly always passes.
      const bool accepted =
          u < 1 - 0.0331 * x2 * x2 || math::log(u) < 0.5 * x2 + d * (1 - v + math::log(v));
      if (accepted) return d * v * boost * scale;
    }
    words = stream.block(entity, ++draw);
  }
}

Zipf::Zipf(std::uint64_t n, double exponent)
    : n_(static_cast<double>(n)),
      exponent_(exponent),
      lowest_(integral(1.5) - 1),
      highest_(integral(n_ + 0.5)),
      shortcut_(2 - inverse_integral(integral(2.5) - math::pow(2, -exponent))) {}

// (x^(1 - s) - 1) / (1 - s), whose limit at s = 1 is log x.
double Zipf::integral(double x) const {
  const double log_x = math::log(x);
  const double t = (1 - exponent_) * log_x;
  return std::abs(t) > 1e-8 ? math::expm1(t) / t * log_x : log_x * (1 + 0.5 * t);
}

double Zipf::inverse_integral(double y) const {
  // At least -1: rounding may take it below, where there is no inverse.
  const double t = std::max(-1.0, (1 - exponent_) * y);
  const double log_x = std::abs(t) > 1e-8 ? math::log1p(t) / t * y : y * (1 - 0.5 * t);
  return math::exp(log_x);
}

std::uint64_t Zipf::operator()(const Stream& stream, std::uint64_t entity,
                               std::uint64_t draw) const {
  while (true) {
    const double y = highest_ + unit(stream.word(entity, draw++)) * (lowest_ - highest_);
    const double x = inverse_integral(y);
    const double k = std::clamp(std::floor(x + 0.5), 1.0, n_);
    if (k - x <= shortcut_ || y >= integral(k + 0.5) - math::pow(k, -exponent_)) {
      return static_cast<std::uint64_t>(k);
    }
  }
}

}  // namespace kvsim
