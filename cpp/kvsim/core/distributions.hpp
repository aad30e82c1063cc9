// Random variates: functions of a random word, or of a stream (core/philox.hpp), an entity and a
// draw. The latter take word 0 of the block of (entity, draw) if nothing else is said.
#pragma once

#include <cstdint>

#include "kvsim/core/math.hpp"
#include "kvsim/core/philox.hpp"
#include "kvsim/core/wide.hpp"

namespace kvsim {

// ---- of a word ----

// Uniform on [0, 1): multiples of 2^-53, as numpy's random().
[[nodiscard]] constexpr double unit(std::uint64_t word) {
  return static_cast<double>(word >> 11) * 0x1p-53;
}
// Uniform on (0, 1]: its logarithm is finite.
[[nodiscard]] constexpr double positive_unit(std::uint64_t word) {
  return static_cast<double>((word >> 11) + 1) * 0x1p-53;
}
// Uniform on (0, 1), symmetric about 1/2: odd multiples of 2^-53.
[[nodiscard]] constexpr double open_unit(std::uint64_t word) {
  return (static_cast<double>(word >> 12) + 0.5) * 0x1p-52;
}
// Uniform on 0 .. n - 1, n >= 1 (D. Lemire, Fast random integer generation in an interval, ACM
// TOMACS 29, 2019, without the rejection): each probability is off 1/n by less than 2^-64.
[[nodiscard]] constexpr std::uint64_t uniform_below(std::uint64_t word, std::uint64_t n) {
  return multiply_wide(word, n).high;
}
// Uniform on low .. high, both included.
[[nodiscard]] constexpr std::int64_t uniform_integer(std::uint64_t word, std::int64_t low,
                                                     std::int64_t high) {
  const std::uint64_t n = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  const std::uint64_t offset = n == 0 ? word : uniform_below(word, n);  // 0: all of int64
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + offset);
}
// Mean 1.
[[nodiscard]] inline double exponential(std::uint64_t word) {
  return -math::log(positive_unit(word));
}
// Mean 0, standard deviation 1; by the quantile function, so one word is one variate, at most 8.2
// from 0.
[[nodiscard]] inline double normal(std::uint64_t word) {
  return math::normal_quantile(open_unit(word));
}
// P(X > x) = x^-shape for x >= 1.
[[nodiscard]] inline double pareto(std::uint64_t word, double shape) {
  return math::pow(positive_unit(word), -1.0 / shape);
}

// ---- of (stream, entity, draw) ----

[[nodiscard]] constexpr double uniform(const Stream& stream, std::uint64_t entity,
                                       std::uint64_t draw) {
  return unit(stream.word(entity, draw));
}
[[nodiscard]] constexpr std::uint64_t uniform_below(const Stream& stream, std::uint64_t entity,
                                                    std::uint64_t draw, std::uint64_t n) {
  return uniform_below(stream.word(entity, draw), n);
}
[[nodiscard]] constexpr std::int64_t uniform_integer(const Stream& stream, std::uint64_t entity,
                                                     std::uint64_t draw, std::int64_t low,
                                                     std::int64_t high) {
  return uniform_integer(stream.word(entity, draw), low, high);
}
[[nodiscard]] inline double exponential(const Stream& stream, std::uint64_t entity,
                                        std::uint64_t draw, double mean) {
  return mean * exponential(stream.word(entity, draw));
}
[[nodiscard]] inline double normal(const Stream& stream, std::uint64_t entity, std::uint64_t draw,
                                   double mean, double standard_deviation) {
  return mean + standard_deviation * normal(stream.word(entity, draw));
}
[[nodiscard]] inline double pareto(const Stream& stream, std::uint64_t entity, std::uint64_t draw,
                                   double minimum, double shape) {
  return minimum * pareto(stream.word(entity, draw), shape);
}

// exp(mu + sigma * normal)
class LogNormal {
 public:
  LogNormal(double mu, double sigma) : mu_(mu), sigma_(sigma) {}
  // With this mean and coefficient of variation (of the variate, not of its logarithm).
  [[nodiscard]] static LogNormal from_mean_cv(double mean, double cv);

  [[nodiscard]] double mu() const { return mu_; }
  [[nodiscard]] double sigma() const { return sigma_; }
  [[nodiscard]] double operator()(std::uint64_t word) const {
    return math::exp(mu_ + sigma_ * normal(word));
  }
  [[nodiscard]] double operator()(const Stream& stream, std::uint64_t entity,
                                  std::uint64_t draw) const {
    return (*this)(stream.word(entity, draw));
  }

 private:
  double mu_;
  double sigma_;
};

// Gamma with mean shape * scale and coefficient of variation 1 / sqrt(shape), both > 0 (G.
// Marsaglia, W. W. Tsang, A simple method for generating gamma variables, ACM TOMS 26, 2000). Tries
// the blocks draw, draw + 1, ... until one is accepted, 1.05 on average: variates of one entity
// want draws that are far apart (100 suffice).
[[nodiscard]] double gamma(const Stream& stream, std::uint64_t entity, std::uint64_t draw,
                           double shape, double scale);
[[nodiscard]] inline double gamma(const Stream& stream, std::uint64_t entity, double shape) {
  return gamma(stream, entity, 0, shape, 1.0);
}

// 1 .. n with probabilities in proportion to k^-exponent, n >= 1, exponent >= 0, in constant time
// and without a table (W. Hoermann, G. Derflinger, Rejection-inversion to generate variates from
// monotone discrete distributions, ACM TOMACS 6, 1996). Tries draws as gamma does, 1.1 on average.
class Zipf {
 public:
  Zipf(std::uint64_t n, double exponent);
  [[nodiscard]] std::uint64_t operator()(const Stream& stream, std::uint64_t entity,
                                         std::uint64_t draw = 0) const;

 private:
  // H(x), the integral of t^-exponent from 1 to x, and its inverse.
  [[nodiscard]] double integral(double x) const;
  [[nodiscard]] double inverse_integral(double y) const;

  double n_;
  double exponent_;
  double lowest_;   // H(1.5) - 1
  double highest_;  // H(n + 0.5)
  double shortcut_;
};

}  // namespace kvsim
