#include "kvsim/theory/economics.hpp"

#include <cmath>

#include "check.hpp"
#include "kvsim/core/error.hpp"

using namespace kvsim::theory;

// 2 M USD of training, a million users with 50 queries a day at .001 USD.
constexpr ServingLife example{2e6, 0.001, 50e6, 0};

TEST(economics, serving_of_a_year_is_9_1_times_the_training) {
  CHECK_NEAR(serving_cost_usd(example, 365), 18.25e6, 1e-6);
  CHECK_NEAR(serving_cost_usd(example, 365) / example.training_usd, 9.125, 1e-12);
  CHECK_NEAR(cumulative_cost_usd(example, 365), 20.25e6, 1e-6);
  CHECK_NEAR(break_even_days(example), 40, 1e-12);
  CHECK_NEAR(serving_share(example, 40), 0.5, 1e-12);
}

TEST(economics, growth_compounds) {
  const ServingLife grows{2e6, 0.001, 50e6, 1.0};
  // Traffic doubles in a year: 365 / ln 2 days of the first day's traffic are served in it.
  CHECK_NEAR(queries_served(grows, 365), 50e6 * 365 / std::log(2.0), 1);
  CHECK_NEAR(serving_cost_usd(grows, break_even_days(grows)), 2e6, 1e-6);
  CHECK(break_even_days(grows) < break_even_days(example));
  // Almost no growth is no growth.
  const ServingLife hardly{2e6, 0.001, 50e6, 1e-13};
  CHECK_NEAR(queries_served(hardly, 365), queries_served(example, 365), 1);
}

TEST(economics, shrinking_traffic_may_never_break_even) {
  const ServingLife shrinks{2e6, 0.001, 50e6, -0.5};
  CHECK(std::isinf(break_even_days({1e12, 0.001, 50e6, -0.5})));
  CHECK_NEAR(serving_cost_usd(shrinks, break_even_days(shrinks)), 2e6, 1e-3);
  CHECK(std::isinf(break_even_days({2e6, 0.001, 50e6, -0.9999999})));
  CHECK(std::isinf(break_even_days({1, 0, 50e6, 0})));
  CHECK_NEAR(break_even_days({0, 1, 1, 0}), 0, 0);
  CHECK_NEAR(serving_share({0, 0, 0, 0}, 10), 0, 0);
}

TEST(economics, bad_amounts_are_refused) {
  CHECK_THROWS_KIND(cumulative_cost_usd({-1, 0.001, 50e6, 0}, 1), config, "training_usd");
  CHECK_THROWS_KIND(cumulative_cost_usd({1, 0.001, 50e6, -1}, 1), config, "growth_per_year");
  CHECK_THROWS_KIND(cumulative_cost_usd({1, 0.001, 50e6, 0}, -1), config, "days");
}
