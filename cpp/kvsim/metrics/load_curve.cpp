#include "kvsim/metrics/load_curve.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kvsim/core/sort.hpp"

namespace kvsim {

std::optional<double> backlog_throughput(std::vector<Ns> finish_ns,
                                         std::span<const Ns> scheduled_ns,
                                         std::int64_t max_running) {
  if (finish_ns.empty()) return std::nullopt;
  compact_sort(finish_ns);
  const auto n = static_cast<std::int64_t>(finish_ns.size());
  const Ns admitted = *std::ranges::max_element(scheduled_ns);
  std::int64_t last = std::ranges::upper_bound(finish_ns, admitted) - finish_ns.begin();
  if (last < n / 2) last = 3 * n / 4;  // hardly more requests than the batch holds
  const std::int64_t first = std::min(last / 4, 2 * max_running);
  if (last <= first) return std::nullopt;
  const Ns spent =
      finish_ns[static_cast<std::size_t>(last - 1)] - finish_ns[static_cast<std::size_t>(first)];
  if (spent <= 0) return std::nullopt;
  return static_cast<double>(last - 1 - first) / (static_cast<double>(spent) / 1e9);
}

std::optional<KneePoint> find_knee(std::span<const double> offered_per_s,
                                   std::span<const double> achieved_per_s,
                                   std::span<const double> latency) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < latency.size(); ++i) {
    if (std::isfinite(offered_per_s[i]) && std::isfinite(achieved_per_s[i]) &&
        std::isfinite(latency[i])) {
      order.push_back(i);
    }
  }
  sort_rows(order, [&](std::size_t i) { return offered_per_s[i]; });
  if (order.size() < 2 || latency[order[0]] <= 0) return std::nullopt;
  const double low = latency[order[0]];
  const double limit = knee_factor * low;
  const auto above =
      std::ranges::find_if(order, [&](std::size_t i) { return latency[i] >= limit; });
  if (above == order.end()) return std::nullopt;
  const std::size_t i = above[-1];  // the first one is below its own fivefold
  const std::size_t j = *above;
  const double share = (1 / latency[i] - 1 / limit) / (1 / latency[i] - 1 / latency[j]);
  const auto between = [&](std::span<const double> x) { return x[i] + share * (x[j] - x[i]); };
  return KneePoint{between(offered_per_s), between(achieved_per_s), limit, low};
}

}  // namespace kvsim
