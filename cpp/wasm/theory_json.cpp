#include "theory_json.hpp"

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "kvsim/core/error.hpp"
#include "kvsim/metrics/load_curve.hpp"
#include "kvsim/scenario/json.hpp"
#include "kvsim/theory/economics.hpp"
#include "kvsim/theory/memory.hpp"
#include "kvsim/theory/queueing.hpp"
#include "kvsim/theory/sharding.hpp"
#include "kvsim/theory/speculation.hpp"

namespace kvsim {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::optional<double> as_double(const json::Value& value) {
  if (const double* x = value.if_double()) return *x;
  if (const std::int64_t* i = value.if_int()) return static_cast<double>(*i);
  return std::nullopt;
}

template <class T>
T argument(const json::Array& values, std::size_t i) {
  const std::string path = "arguments." + std::to_string(i);
  const std::optional<double> x = as_double(values[i]);
  if constexpr (std::same_as<T, std::int64_t>) {
    if (!x || *x != std::floor(*x) || std::abs(*x) > 0x1p53) {
      bad_field(path, json::describe(values[i]), "a whole number");
    }
    return static_cast<std::int64_t>(*x);
  } else {
    if (!x) bad_field(path, json::describe(values[i]), "a number");
    return *x;
  }
}

using Call = json::Value (*)(const json::Array&);

template <auto F, class R, class... As>
json::Value call(const json::Array& values, R (*)(As...)) {
  if (values.size() != sizeof...(As)) {
    bad_field("arguments", std::to_string(values.size()) + " values",
              std::to_string(sizeof...(As)) + " values");
  }
  return [&]<std::size_t... I>(std::index_sequence<I...>) -> json::Value {
    const auto x = static_cast<double>(F(argument<As>(values, I)...));
    return std::isfinite(x) ? json::Value(x) : json::Value();
  }(std::index_sequence_for<As...>{});
}

template <auto F>
json::Value closed_form(const json::Array& values) {
  return call<F>(values, F);
}

std::vector<double> numbers(const json::Array& values, std::size_t i, std::size_t rows) {
  const json::Array* array = values[i].if_array();
  const std::string path = "arguments." + std::to_string(i);
  if (array == nullptr) bad_field(path, json::describe(values[i]), "an array of numbers");
  if (array->size() != rows && i > 0) {
    bad_field(path, std::to_string(array->size()) + " values", std::to_string(rows) + " values");
  }
  std::vector<double> result;
  for (const json::Value& v : *array) result.push_back(as_double(v).value_or(nan));
  return result;
}

json::Value knee(const json::Array& values) {
  if (values.size() != 3) {
    bad_field("arguments", std::to_string(values.size()) + " values", "3 arrays");
  }
  const std::vector<double> offered = numbers(values, 0, 0);
  const std::vector<double> achieved = numbers(values, 1, offered.size());
  const auto found = find_knee(offered, achieved, numbers(values, 2, offered.size()));
  if (!found) return {};
  json::Object object;
  object.set("offered_per_s", found->offered_per_s);
  object.set("achieved_per_s", found->achieved_per_s);
  object.set("latency_ms", found->latency);
  object.set("low_load_ms", found->low_load);
  return object;
}

// A serving life's fields one after the other, then the days.
template <double (*F)(const theory::ServingLife&, double)>
double of_life(double training_usd, double usd_per_query, double queries_per_day,
               double growth_per_year, double days) {
  return F({training_usd, usd_per_query, queries_per_day, growth_per_year}, days);
}

double break_even_days(double training_usd, double usd_per_query, double queries_per_day,
                       double growth_per_year) {
  return theory::break_even_days({training_usd, usd_per_query, queries_per_day, growth_per_year});
}

double tokens_per_pass(double acceptance, std::int64_t drafts) {
  return theory::tokens_per_pass(acceptance, drafts);
}

#define KVSIM_FORM(name) {#name, &closed_form<&theory::name>}
constexpr auto forms = std::to_array<std::pair<std::string_view, Call>>({
    {"knee", &knee},
    KVSIM_FORM(utilization),
    KVSIM_FORM(mm1_mean_wait_s),
    KVSIM_FORM(mm1_mean_sojourn_s),
    KVSIM_FORM(mm1_sojourn_quantile_s),
    KVSIM_FORM(mm1_knee_utilization),
    KVSIM_FORM(erlang_c),
    KVSIM_FORM(mmc_mean_wait_s),
    KVSIM_FORM(mmc_wait_quantile_s),
    KVSIM_FORM(mmc_sojourn_quantile_s),
    KVSIM_FORM(mg1_mean_wait_s),
    KVSIM_FORM(md1_mean_wait_s),
    KVSIM_FORM(kingman_mean_wait_s),
    KVSIM_FORM(batch_queue_mean_sojourn_s),
    KVSIM_FORM(batch_queue_capacity_per_s),
    KVSIM_FORM(max_exponential_mean_s),
    KVSIM_FORM(max_exponential_quantile_s),
    KVSIM_FORM(any_slow_probability),
    KVSIM_FORM(leaf_quantile),
    KVSIM_FORM(power_of_d_mean_sojourn_s),
    KVSIM_FORM(cut_exponential_mean),
    KVSIM_FORM(mean_blocks),
    KVSIM_FORM(paged_internal_waste),
    KVSIM_FORM(users_that_fit),
    KVSIM_FORM(weight_gather_threshold_tokens),
    KVSIM_FORM(bubble_fraction),
    KVSIM_FORM(all_reduce_bisection_bytes),
    {"queries_served", &closed_form<&of_life<&theory::queries_served>>},
    {"serving_cost_usd", &closed_form<&of_life<&theory::serving_cost_usd>>},
    {"cumulative_cost_usd", &closed_form<&of_life<&theory::cumulative_cost_usd>>},
    {"serving_share", &closed_form<&of_life<&theory::serving_share>>},
    {"break_even_days", &closed_form<&break_even_days>},
    {"tokens_per_pass", &closed_form<&tokens_per_pass>},
    KVSIM_FORM(speculation_speedup),
    KVSIM_FORM(best_drafts),
});
#undef KVSIM_FORM

}  // namespace

std::string theory_json(std::string_view text) {
  const json::Value request = json::parse(text, "theory");
  const json::Value& name = json::get(request, "name");
  const json::Array* arguments = json::get(request, "arguments").if_array();
  if (arguments == nullptr) bad_field("arguments", json::describe(request), "an array");
  std::string allowed;
  for (const auto& [known, function] : forms) {
    if (name == json::Value(known)) return json::write(function(*arguments));
    allowed.append(allowed.empty() ? "" : ", ").append(known);
  }
  bad_field("name", json::describe(name), allowed);
}

}  // namespace kvsim
