#include "kvsim/theory/economics.hpp"

#include <limits>
#include <string>
#include <string_view>

#include "kvsim/core/decimal.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/core/math.hpp"

namespace kvsim::theory {

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

void need_amount(std::string_view name, double value) {
  if (!(value >= 0 && value < infinite)) {
    bad_field(name, decimal_text(value), "a finite number, 0 or more");
  }
}

double rate_per_day(const ServingLife& life) {
  need_amount("training_usd", life.training_usd);
  need_amount("usd_per_query", life.usd_per_query);
  need_amount("queries_per_day", life.queries_per_day);
  if (!(life.growth_per_year > -1 && life.growth_per_year < infinite)) {
    bad_field("growth_per_year", decimal_text(life.growth_per_year), "a number above -1");
  }
  return math::log1p(life.growth_per_year) / days_per_year;
}

// Growth that no digit of the result would show; dividing by it would lose them all.
bool negligible(double x) { return x < 1e-17 && x > -1e-17; }

}  // namespace

double queries_served(const ServingLife& life, double days) {
  const double r = rate_per_day(life);
  need_amount("days", days);
  if (negligible(r * days)) return life.queries_per_day * days;
  return life.queries_per_day * (math::expm1(r * days) / r);
}

double serving_cost_usd(const ServingLife& life, double days) {
  return life.usd_per_query * queries_served(life, days);
}

double cumulative_cost_usd(const ServingLife& life, double days) {
  return life.training_usd + serving_cost_usd(life, days);
}

double break_even_days(const ServingLife& life) {
  const double r = rate_per_day(life);
  if (life.training_usd == 0) return 0;
  const double per_day = life.usd_per_query * life.queries_per_day;
  if (per_day == 0) return infinite;
  const double days = life.training_usd / per_day;
  if (negligible(r * days)) return days;
  // Traffic that shrinks serves q0 / -r queries in all; they may never cost that much.
  return 1 + r * days > 0 ? math::log1p(r * days) / r : infinite;
}

double serving_share(const ServingLife& life, double days) {
  const double serving = serving_cost_usd(life, days);
  const double all = life.training_usd + serving;
  return all > 0 ? serving / all : 0;
}

}  // namespace kvsim::theory
