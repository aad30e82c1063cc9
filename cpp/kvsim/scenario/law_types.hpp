// Laws of random times around a mean: service times of one-shot servers, latencies of links. Each
// is a factor that a nominal time is multiplied by, of mean 1 unless it says otherwise.
#pragma once

#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "kvsim/scenario/field.hpp"

namespace kvsim {

struct ConstantLaw {
  static constexpr std::string_view kind = "constant";
  static constexpr std::string_view type_name = "Constant";
  static constexpr std::string_view doc = "Always the nominal time.";
  static constexpr auto fields() { return std::tuple{}; }
};

struct ExponentialLaw {
  static constexpr std::string_view kind = "exponential";
  static constexpr std::string_view type_name = "Exponential";
  static constexpr std::string_view doc = "Exponential with the nominal time as mean.";
  static constexpr auto fields() { return std::tuple{}; }
};

struct LogNormalLaw {
  double cv = 1.0;
  static constexpr std::string_view kind = "lognormal";
  static constexpr std::string_view type_name = "LogNormal";
  static constexpr std::string_view doc = "Log-normal with the nominal time as mean.";
  static constexpr auto fields() {
    return std::tuple{
        field("cv", &LogNormalLaw::cv, {.min = 0, .max = 100, .doc = "Coefficient of variation."})};
  }
};

struct GammaLaw {
  double cv = 1.0;
  static constexpr std::string_view kind = "gamma";
  static constexpr std::string_view type_name = "GammaLaw";
  static constexpr std::string_view doc = "Gamma with the nominal time as mean.";
  static constexpr auto fields() {
    return std::tuple{
        field("cv", &GammaLaw::cv, {.min = 0.01, .max = 100, .doc = "Coefficient of variation."})};
  }
};

struct ParetoLaw {
  double shape = 2.5;
  static constexpr std::string_view kind = "pareto";
  static constexpr std::string_view type_name = "Pareto";
  static constexpr std::string_view doc =
      "Pareto: P(X > x) falls as x^-shape; the nominal time is its mean.";
  static constexpr auto fields() {
    return std::tuple{field("shape", &ParetoLaw::shape,
                            {.min = 1,
                             .max = 1000,
                             .exclusive_min = true,
                             .doc = "Exponent of the tail; the variance is infinite up to 2."})};
  }
};

struct EmpiricalLaw {
  std::vector<double> values;
  std::vector<double> weights;
  static constexpr std::string_view kind = "empirical";
  static constexpr std::string_view type_name = "Empirical";
  static constexpr std::string_view doc =
      "One of the given factors, with probabilities in proportion to the weights. The factors are "
      "used as they are: their mean need not be 1.";
  static constexpr auto fields() {
    return std::tuple{field("values", &EmpiricalLaw::values,
                            {.min = 0, .max = 1e9, .doc = "Factors of the nominal time."}),
                      field("weights", &EmpiricalLaw::weights,
                            {.min = 0, .max = 1e18, .doc = "One a value; none = all alike."})};
  }
  void validate(std::string_view path) const;
};

using Law =
    std::variant<ConstantLaw, ExponentialLaw, LogNormalLaw, GammaLaw, ParetoLaw, EmpiricalLaw>;

}  // namespace kvsim
