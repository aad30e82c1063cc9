#include "kvsim/metrics/mean_parts.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>

#include "kvsim/core/int128.hpp"
#include "kvsim/core/sort.hpp"

namespace kvsim {
namespace {

using Rows = std::vector<std::uint32_t>;

// Rows by rising latency, equal ones by number.
Rows by_latency(const std::vector<Ns>& arrival_ns, const std::vector<Ns>& end_ns) {
  Rows rows(arrival_ns.size());
  std::iota(rows.begin(), rows.end(), 0U);
  sort_rows(rows, [&](std::uint32_t r) { return end_ns[r] - arrival_ns[r]; });
  return rows;
}

double mean_ms(const std::vector<Ns>& column, std::span<const std::uint32_t> rows) {
  Int128 sum = 0;
  for (const std::uint32_t r : rows) sum += column[r];
  return static_cast<double>(sum) / static_cast<double>(rows.size()) / 1e6;
}

}  // namespace

MeanParts mean_parts(const RequestColumns& c, LatencyKind latency, double low, double high) {
  const bool ttft = latency == LatencyKind::ttft;
  MeanParts result;
  if (c.arrival_ns.empty() || (ttft ? c.ttft_host_ns : c.host_ns).empty()) return result;
  const Rows order = by_latency(c.arrival_ns, ttft ? c.first_token_ns : c.finish_ns);
  const auto n = static_cast<double>(order.size());
  const auto first = static_cast<std::size_t>(std::floor(low / 100 * n));
  const auto last = std::max(first + 1, static_cast<std::size_t>(std::ceil(high / 100 * n)));
  const std::size_t begin = std::min(first, order.size() - 1);
  const auto rows = std::span(order).subspan(begin, std::min(last, order.size()) - begin);
  result.requests = static_cast<std::int64_t>(rows.size());
  const auto add = [&](std::string_view name, const std::vector<Ns>& column) {
    result.parts_ms.emplace_back(name, mean_ms(column, rows));
  };
  if (!c.gateway_ns.empty()) {
    add("gateway", c.gateway_ns);
    add("dispatch", c.dispatch_ns);
    add("network", c.network_ns);
  }
  add("frontend", c.frontend_ns);
  add("queue", c.queue_ns);
  add("host", ttft ? c.ttft_host_ns : c.host_ns);
  add("compute", ttft ? c.ttft_compute_ns : c.compute_ns);
  add("hbm", ttft ? c.ttft_hbm_ns : c.hbm_ns);
  add("comm", ttft ? c.ttft_comm_ns : c.comm_ns);
  add("bubble", ttft ? c.ttft_bubble_ns : c.bubble_ns);
  add("preempted", ttft ? c.ttft_preempted_ns : c.preempted_ns);
  add("redo", ttft ? c.ttft_redo_ns : c.redo_ns);
  return result;
}

}  // namespace kvsim
