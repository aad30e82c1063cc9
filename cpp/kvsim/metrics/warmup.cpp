#include "kvsim/metrics/warmup.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "kvsim/core/error.hpp"
#include "kvsim/metrics/counted_rows.hpp"

namespace kvsim {
namespace {

constexpr std::size_t batch = 5;
constexpr std::size_t least_values = 50;

WarmupCut cut_by_mser5(const RequestColumns& q) {
  const std::vector<std::size_t> order = rows_by_arrival(q);
  WarmupCut all;
  for (const std::vector<Ns>* end : {&q.first_token_ns, &q.finish_ns}) {
    std::vector<double> series;
    series.reserve(order.size());
    for (const std::size_t r : order) {
      series.push_back(static_cast<double>((*end)[r] - q.arrival_ns[r]));
    }
    const WarmupCut cut = mser5(series);
    all.requests = std::max(all.requests, cut.requests);
    all.steady = all.steady && cut.steady;
  }
  return all;
}

}  // namespace

WarmupCut mser5(std::span<const double> series) {
  if (series.size() < least_values) return {};
  const std::size_t n = series.size() / batch;
  std::vector<double> y(n);
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < batch; ++j) sum += series[i * batch + j];
    y[i] = sum / static_cast<double>(batch);
  }
  // Welford's update from the end: the sum of squares about the mean of what is left.
  std::size_t best = 0;
  double least = 0;
  double mean = 0;
  double squares = 0;
  for (std::size_t left = 1; left <= n; ++left) {
    const double value = y[n - left];
    const double step = value - mean;
    mean += step / static_cast<double>(left);
    squares += step * (value - mean);
    // The last few batches would always look steady.
    if (left < batch) continue;
    const double error = squares / (static_cast<double>(left) * static_cast<double>(left));
    if (left == batch || error <= least) {
      least = error;
      best = n - left;
    }
  }
  const std::size_t half = n / 2;
  return {static_cast<std::int64_t>(std::min(best, half) * batch), best <= half};
}

WarmupCut warmup_cut(const Warmup& rule, const RequestColumns& requests) {
  if (std::holds_alternative<Mser5>(rule)) return cut_by_mser5(requests);
  const auto* first = std::get_if<FirstRequests>(&rule);
  if (first == nullptr || first->num_requests == 0) return {};
  const auto n = static_cast<std::int64_t>(requests.arrival_ns.size());
  if (first->num_requests >= n) {
    bad_field("warmup.num_requests", std::to_string(first->num_requests),
              "fewer than the run's " + std::to_string(n) + " requests that were completed");
  }
  return {first->num_requests, true};
}

}  // namespace kvsim
