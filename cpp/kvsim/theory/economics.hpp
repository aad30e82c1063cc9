// Closed forms of what a model costs over its life: training once, serving every day. Traffic grows
// exponentially, so t days after the launch Q(t) = q0 (e^(r t) - 1) / r queries were served, with
// r = ln(1 + growth per year) / 365; q0 t without growth.
#pragma once

namespace kvsim::theory {

inline constexpr double days_per_year = 365;

struct ServingLife {
  double training_usd = 0;
  double usd_per_query = 0;
  double queries_per_day = 0;  // on the first day
  double growth_per_year = 0;  // .5: half as many again after a year; above -1
};

[[nodiscard]] double queries_served(const ServingLife& life, double days);

// Serving alone, training left out: usd_per_query * Q(t).
[[nodiscard]] double serving_cost_usd(const ServingLife& life, double days);

// C = C_train + c Q(t).
[[nodiscard]] double cumulative_cost_usd(const ServingLife& life, double days);

// The day on which serving has cost as much as training; infinite if it never does.
[[nodiscard]] double break_even_days(const ServingLife& life);

// Serving's share of all that was spent by that day; 0 if nothing was.
[[nodiscard]] double serving_share(const ServingLife& life, double days);

}  // namespace kvsim::theory
