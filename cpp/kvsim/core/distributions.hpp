// Random variates as functions of a stream (core/philox.hpp), an entity and a draw. All but gamma
// use one block, that of (entity, draw), and of it word 0.
#pragma once

#include <cstdint>

#include "kvsim/core/math.hpp"
#include "kvsim/core/philox.hpp"
#include "kvsim/core/wide.hpp"

namespace kvsim {

// ---- from a word, for who uses all four of a block ----

// Uniform on [0, 1): multiples of 2^-53, as numpy's random().
[[nodiscard]] constexpr double unit_from_word(std::uint64_t word) {
  return static_cast<double>(word >> 11) * 0x1p-53;
}
// Uniform on (0, 1]: its logarithm is finite.
[[nodiscard]] constexpr double positive_unit_from_word(std::uint64_t word) {
  return static_cast<double>((word >> 11) + 1) * 0x1p-53;
}
// Uniform on (0, 1), symmetric about 1/2: odd multiples of 2^-53.
[[nodiscard]] constexpr double open_unit_from_word(std::uint64_t word) {
  return (static_cast<double>(word >> 12) + 0.5) * 0x1p-52;
}
// Uniform on 0 .. n - 1, n >= 1 (D. Lemire, Fast random integer generation in an interval, ACM
// TOMACS 29, 2019, without the rejection): each probability is off 1/n by less than 2^-64.
[[nodiscard]] constexpr std::uint64_t integer_from_word(std::uint64_t word, std::uint64_t n) {
  return multiply_wide(word, n).high;
}
[[nodiscard]] inline double exponential_from_word(std::uint64_t word, double mean) {
  return -mean * math::log(positive_unit_from_word(word));
}
// By the quantile function, so one word is one variate, at most 8.2 from 0.
[[nodiscard]] inline double normal_from_word(std::uint64_t word) {
  return math::normal_quantile(open_unit_from_word(word));
}

// ---- from a stream ----

[[nodiscard]] constexpr double uniform(const Stream& stream, std::uint64_t entity,
                                       std::uint64_t draw = 0) {
  return unit_from_word(stream.word(entity, draw));
}
[[nodiscard]] constexpr double uniform_positive(const Stream& stream, std::uint64_t entity,
                                                std::uint64_t draw = 0) {
  return positive_unit_from_word(stream.word(entity, draw));
}

// Uniform on 0 .. n - 1.
[[nodiscard]] constexpr std::uint64_t uniform_below(const Stream& stream, std::uint64_t entity,
                                                    std::uint64_t draw, std::uint64_t n) {
  return integer_from_word(stream.word(entity, draw), n);
}
// Uniform on low .. high, both included.
[[nodiscard]] constexpr std::int64_t uniform_integer(const Stream& stream, std::uint64_t entity,
                                                     std::uint64_t draw, std::int64_t low,
                                                     std::int64_t high) {
  const std::uint64_t n = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  const std::uint64_t word = stream.word(entity, draw);
  const std::uint64_t offset = n == 0 ? word : integer_from_word(word, n);  // 0: all of int64
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + offset);
}

[[nodiscard]] inline double exponential(const Stream& stream, std::uint64_t entity,
                                        std::uint64_t draw, double mean) {
  return exponential_from_word(stream.word(entity, draw), mean);
}
[[nodiscard]] inline double normal(const Stream& stream, std::uint64_t entity, std::uint64_t draw,
                                   double mean = 0, double standard_deviation = 1) {
  return mean + standard_deviation * normal_from_word(stream.word(entity, draw));
}

// exp(mu + sigma * normal).
struct LogNormal {
  double mu;
  double sigma;
  // With this mean and coefficient of variation (both of the variate, not of its logarithm).
  [[nodiscard]] static LogNormal from_mean_cv(double mean, double cv);
};
[[nodiscard]] inline double log_normal(const Stream& stream, std::uint64_t entity,
                                       std::uint64_t draw, const LogNormal& law) {
  return math::exp(law.mu + law.sigma * normal_from_word(stream.word(entity, draw)));
}

// P(X > x) = (minimum / x)^shape for x >= minimum.
[[nodiscard]] inline double pareto(const Stream& stream, std::uint64_t entity, std::uint64_t draw,
                                   double minimum, double shape) {
  return minimum * math::pow(uniform_positive(stream, entity, draw), -1.0 / shape);
}

// Gamma with mean shape * scale and coefficient of variation 1 / sqrt(shape), both > 0 (Marsaglia
// and Tsang, A simple method for generating gamma variables, ACM TOMS 26, 2000). Tries the blocks
// draw, draw + 1, ... until one is accepted, 1.05 on average: variates of one entity want draws far
// apart.
[[nodiscard]] double gamma(const Stream& stream, std::uint64_t entity, std::uint64_t draw,
                           double shape, double scale);

}  // namespace kvsim
