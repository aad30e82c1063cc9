#include "kvsim/metrics/counted_rows.hpp"

#include <algorithm>
#include <numeric>
#include <span>

#include "kvsim/core/sort.hpp"

namespace kvsim {
namespace {

template <class T>
std::vector<T> pick(const std::vector<T>& column, std::span<const std::size_t> rows) {
  std::vector<T> out;
  if (column.empty()) return out;
  out.reserve(rows.size());
  for (const std::size_t r : rows) out.push_back(column[r]);
  return out;
}

RequestColumns pick(const RequestColumns& q, std::span<const std::size_t> rows) {
  RequestColumns kept;
  for (const auto column :
       {&RequestColumns::arrival_ns, &RequestColumns::scheduled_ns, &RequestColumns::first_token_ns,
        &RequestColumns::finish_ns, &RequestColumns::frontend_ns, &RequestColumns::host_ns,
        &RequestColumns::compute_ns, &RequestColumns::hbm_ns, &RequestColumns::comm_ns,
        &RequestColumns::preempted_ns, &RequestColumns::redo_ns, &RequestColumns::bubble_ns,
        &RequestColumns::queue_ns, &RequestColumns::gateway_ns, &RequestColumns::dispatch_ns,
        &RequestColumns::network_ns}) {
    kept.*column = pick(q.*column, rows);
  }
  kept.prompt_tokens = pick(q.prompt_tokens, rows);
  kept.output_tokens = pick(q.output_tokens, rows);
  kept.outcome = pick(q.outcome, rows);
  return kept;
}

}  // namespace

std::vector<std::size_t> rows_by_arrival(const RequestColumns& q) {
  const std::vector<Ns>& arrival = q.arrival_ns;
  std::vector<std::size_t> order(arrival.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!std::is_sorted(arrival.begin(), arrival.end())) {
    sort_rows(order, [&](std::size_t r) { return arrival[r]; });
  }
  return order;
}

RequestColumns completed_rows(const RequestColumns& q) {
  std::vector<std::size_t> rows;
  for (std::size_t r = 0; r < q.outcome.size(); ++r) {
    if (q.outcome[r] == static_cast<std::uint8_t>(Outcome::completed)) rows.push_back(r);
  }
  return pick(q, rows);
}

RequestColumns without_first(const RequestColumns& q, std::int64_t cut) {
  const std::vector<std::size_t> order = rows_by_arrival(q);
  return pick(q, std::span<const std::size_t>(order).subspan(static_cast<std::size_t>(cut)));
}

}  // namespace kvsim
