#include "kvsim/theory/queueing.hpp"

#include <limits>
#include <string>
#include <string_view>

#include "kvsim/core/decimal.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/core/math.hpp"

namespace kvsim::theory {

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

[[noreturn]] void refuse(std::string_view name, double value, std::string_view allowed) {
  bad_field(name, decimal_text(value), allowed);
}
void need_at_least(std::string_view name, double value, double least) {
  if (!(value >= least && value < infinite)) {
    refuse(name, value, least == 0 ? "0 or more" : "1 or more");
  }
}
void need_positive(std::string_view name, double value) {
  if (!(value > 0 && value < infinite)) refuse(name, value, "a number above 0");
}
void need_quantile(double q) {
  if (!(q >= 0 && q < 1)) refuse("q", q, "from 0, below 1");
}

}  // namespace

double utilization(double rate_per_s, double service_s, std::int64_t servers) {
  need_at_least("rate_per_s", rate_per_s, 0);
  need_positive("service_s", service_s);
  need_at_least("servers", static_cast<double>(servers), 1);
  return rate_per_s * service_s / static_cast<double>(servers);
}

double mm1_mean_wait_s(double rate_per_s, double service_s) {
  return mg1_mean_wait_s(rate_per_s, service_s, 1);
}

double mm1_mean_sojourn_s(double rate_per_s, double service_s) {
  return mm1_mean_wait_s(rate_per_s, service_s) + service_s;
}

double mm1_sojourn_quantile_s(double rate_per_s, double service_s, double q) {
  need_quantile(q);
  return -math::log1p(-q) * mm1_mean_sojourn_s(rate_per_s, service_s);
}

double erlang_c(double rate_per_s, double service_s, std::int64_t servers) {
  const double rho = utilization(rate_per_s, service_s, servers);
  if (rho >= 1) return 1;
  const double load = rate_per_s * service_s;
  double blocked = 1;  // Erlang's B for 0 servers
  for (std::int64_t k = 1; k <= servers; ++k) {
    blocked = load * blocked / (static_cast<double>(k) + load * blocked);
  }
  return blocked / (1 - rho * (1 - blocked));
}

double mmc_mean_wait_s(double rate_per_s, double service_s, std::int64_t servers) {
  if (utilization(rate_per_s, service_s, servers) >= 1) return infinite;
  const double spare = static_cast<double>(servers) - rate_per_s * service_s;
  return erlang_c(rate_per_s, service_s, servers) * service_s / spare;
}

double mmc_wait_quantile_s(double rate_per_s, double service_s, std::int64_t servers, double q) {
  need_quantile(q);
  if (utilization(rate_per_s, service_s, servers) >= 1) return infinite;
  const double waits = erlang_c(rate_per_s, service_s, servers);
  if (1 - q >= waits) return 0;
  const double spare = static_cast<double>(servers) - rate_per_s * service_s;
  return math::log(waits / (1 - q)) * service_s / spare;
}

double mmc_sojourn_quantile_s(double rate_per_s, double service_s, std::int64_t servers, double q) {
  need_quantile(q);
  if (utilization(rate_per_s, service_s, servers) >= 1) return infinite;
  const double waits = erlang_c(rate_per_s, service_s, servers);
  // In units of the service time: P(T > t) = (1 - C) e^-t + C (e^-st - s e^-t) / (1 - s), with
  // s = c - a; at s = 1 the second term's limit is C (1 + t) e^-t.
  const double s = static_cast<double>(servers) - rate_per_s * service_s;
  const auto tail = [&](double t) {
    const double e = math::exp(-t);
    const double d = 1 - s;
    const double both = d < 1e-6 && d > -1e-6 ? (1 + t) * e : (math::exp(-s * t) - s * e) / d;
    return (1 - waits) * e + waits * both;
  };
  double low = 0;
  double high = 1;
  while (tail(high) > 1 - q) high *= 2;
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = low + (high - low) / 2;
    if (middle == low || middle == high) break;
    (tail(middle) > 1 - q ? low : high) = middle;
  }
  return high * service_s;
}

double mg1_mean_wait_s(double rate_per_s, double service_s, double service_cv) {
  return kingman_mean_wait_s(rate_per_s, service_s, 1, service_cv);
}

double md1_mean_wait_s(double rate_per_s, double service_s) {
  return mg1_mean_wait_s(rate_per_s, service_s, 0);
}

double kingman_mean_wait_s(double rate_per_s, double service_s, double arrival_cv,
                           double service_cv) {
  need_at_least("arrival_cv", arrival_cv, 0);
  need_at_least("service_cv", service_cv, 0);
  const double rho = utilization(rate_per_s, service_s);
  if (rho >= 1) return infinite;
  return rho / (1 - rho) * (arrival_cv * arrival_cv + service_cv * service_cv) / 2 * service_s;
}

double batch_queue_mean_sojourn_s(double rate_per_s, double s0_s, double s1_s, std::int64_t batch) {
  need_positive("rate_per_s", rate_per_s);
  const double b = static_cast<double>(batch);
  const double capacity = batch_queue_capacity_per_s(s0_s, s1_s, batch);
  if (rate_per_s >= capacity) return infinite;
  const double service = s0_s + s1_s * b;
  const double rho = rate_per_s / capacity;
  return rate_per_s * service * service / (2 * b * (1 - rho)) + b / (2 * rate_per_s) + service;
}

double batch_queue_capacity_per_s(double s0_s, double s1_s, std::int64_t batch) {
  need_at_least("s0_s", s0_s, 0);
  need_at_least("s1_s", s1_s, 0);
  need_at_least("batch", static_cast<double>(batch), 1);
  const double service = s0_s + s1_s * static_cast<double>(batch);
  if (!(service > 0)) refuse("s0_s", s0_s, "a number above 0, since s1_s is 0");
  return static_cast<double>(batch) / service;
}

double max_exponential_mean_s(std::int64_t n, double mean_s) {
  need_at_least("n", static_cast<double>(n), 1);
  need_positive("mean_s", mean_s);
  double harmonic = 0;
  for (std::int64_t k = n; k >= 1; --k) harmonic += 1 / static_cast<double>(k);
  return harmonic * mean_s;
}

double max_exponential_quantile_s(std::int64_t n, double mean_s, double q) {
  need_positive("mean_s", mean_s);
  return -math::log1p(-leaf_quantile(q, n)) * mean_s;
}

double any_slow_probability(double p, std::int64_t n) {
  need_at_least("n", static_cast<double>(n), 1);
  if (!(p >= 0 && p <= 1)) refuse("p", p, "from 0 to 1");
  return p == 1 ? 1 : -math::expm1(static_cast<double>(n) * math::log1p(-p));
}

double leaf_quantile(double q, std::int64_t n) {
  need_quantile(q);
  need_at_least("n", static_cast<double>(n), 1);
  return math::pow(q, 1 / static_cast<double>(n));
}

double power_of_d_mean_sojourn_s(double rate_per_server_per_s, double service_s, std::int64_t d) {
  const double rho = utilization(rate_per_server_per_s, service_s);
  need_at_least("d", static_cast<double>(d), 1);
  if (rho >= 1) return infinite;
  if (d == 1) return service_s / (1 - rho);
  double sum = 0;
  double exponent = 0;  // (d^i - d) / (d - 1): 0, d, d + d^2, ...
  double power = static_cast<double>(d);
  for (;;) {
    const double term = math::pow(rho, exponent);
    sum += term;
    if (!(term > 1e-18 * sum)) return sum * service_s;
    exponent += power;
    power *= static_cast<double>(d);
  }
}

double mm1_knee_utilization(double factor) {
  if (!(factor > 1 && factor < infinite)) refuse("factor", factor, "a number above 1");
  return 1 - 1 / factor;
}

}  // namespace kvsim::theory
