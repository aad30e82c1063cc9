#include "kvsim/metrics/summary.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include "kvsim/core/error.hpp"
#include "kvsim/core/quantile.hpp"
#include "kvsim/metrics/counted_rows.hpp"

namespace kvsim {

namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();
// Of every latency; the first stands for the median too.
constexpr std::array levels{0.5, 0.9, 0.95, 0.99, 0.999};
constexpr double ns_per_ms = 1e6;

double ratio(double a, double b) { return b > 0 ? a / b : undefined; }
double as_double(std::int64_t value) { return static_cast<double>(value); }

struct Latencies {
  std::vector<Ns> ttft, e2e, queue;
  std::vector<double> tpot_ns;  // of requests with more than one output token
  std::int64_t good = 0;        // requests within the SLO
};

// Limits in ns; a limit that is not set is infinite.
struct Limits {
  double ttft, tpot, e2e;
  explicit Limits(const Slo& slo)
      : ttft(in_ns(slo.ttft_ms)), tpot(in_ns(slo.tpot_ms)), e2e(in_ns(slo.e2e_ms)) {}

 private:
  static double in_ns(const std::optional<double>& ms) {
    return ms ? *ms * ns_per_ms : std::numeric_limits<double>::infinity();
  }
};

// The column is empty if the scenario has no front end.
Ns frontend_ns(const RequestColumns& q, std::size_t r) {
  return q.frontend_ns.empty() ? 0 : q.frontend_ns[r];
}

// Time from reaching the scheduler to the first step. A fleet keeps it as a column, since links and
// gateway lie before it.
Ns queue_ns(const RequestColumns& q, std::size_t r) {
  if (!q.queue_ns.empty()) return q.queue_ns[r];
  return q.scheduled_ns[r] - q.arrival_ns[r] - frontend_ns(q, r);
}

Latencies latencies(const RequestColumns& q, const Slo& slo, Control control) {
  const std::size_t n = q.arrival_ns.size();
  const Limits limits(slo);
  Latencies l;
  l.ttft.resize(n);
  l.e2e.resize(n);
  l.queue.resize(n);
  l.tpot_ns.resize(n);
  std::size_t several = 0;
  for (std::size_t r = 0; r < n; ++r) {
    control.poll(r);
    l.ttft[r] = q.first_token_ns[r] - q.arrival_ns[r];
    l.e2e[r] = q.finish_ns[r] - q.arrival_ns[r];
    l.queue[r] = queue_ns(q, r);
    double tpot = 0;
    if (q.output_tokens[r] > 1) {
      tpot = as_double(q.finish_ns[r] - q.first_token_ns[r]) / as_double(q.output_tokens[r] - 1);
      l.tpot_ns[several++] = tpot;
    }
    const bool good = as_double(l.ttft[r]) <= limits.ttft && tpot <= limits.tpot &&
                      as_double(l.e2e[r]) <= limits.e2e;
    l.good += good ? 1 : 0;
  }
  l.tpot_ns.resize(several);
  return l;
}

class Writer {
 public:
  explicit Writer(Control control) : control_(control) { values_.reserve(summary_fields().size()); }

  // The next field; the name is checked, so that list and code cannot drift apart.
  void put(std::string_view name, double value) {
    if (values_.size() >= summary_fields().size() ||
        summary_fields()[values_.size()].name != name) {
      fail(ErrorKind::invariant, "summary field " + std::string(name) + " is out of order");
    }
    values_.push_back(value);
  }
  template <class T>
  void put_latency(std::string_view name, const std::vector<T>& values_ns) {
    control_.poll();  // before passes over all requests
    std::array<double, levels.size()> at;
    at.fill(undefined);
    if (!values_ns.empty()) {
      const std::vector<T> found = quantiles(std::span<const T>(values_ns), levels);
      for (std::size_t i = 0; i < at.size(); ++i) at[i] = static_cast<double>(found[i]);
    }
    put_statistics(name, mean(std::span<const T>(values_ns)),
                   standard_deviation(std::span<const T>(values_ns)), at);
  }
  void put_itl(const ItlHistogram& itl) {
    std::array<double, levels.size()> at;
    at.fill(undefined);
    const ItlHistogram::Statistics all = itl.statistics(levels);
    for (std::size_t i = 0; i < all.quantiles_ns.size(); ++i)
      at[i] = as_double(all.quantiles_ns[i]);
    put_statistics("mean_itl_ms", all.mean_ns, all.std_ns, at);
  }
  std::vector<double> finished() && {
    if (values_.size() != summary_fields().size()) {
      fail(ErrorKind::invariant, "the summary has lost a field");
    }
    return std::move(values_);
  }

 private:
  // Mean, median, standard deviation, quantiles, in ms.
  void put_statistics(std::string_view name, double mean_ns, double std_ns,
                      const std::array<double, levels.size()>& at) {
    put(name, mean_ns / ns_per_ms);
    values_.push_back(at[0] / ns_per_ms);
    values_.push_back(std_ns / ns_per_ms);
    for (const double value : at) values_.push_back(value / ns_per_ms);
  }

  Control control_;
  std::vector<double> values_;
};

double offered_rate(const std::vector<Ns>& arrival_ns) {
  if (arrival_ns.empty()) return undefined;
  const auto [first, last] = std::minmax_element(arrival_ns.begin(), arrival_ns.end());
  return ratio(as_double(static_cast<std::int64_t>(arrival_ns.size()) - 1),
               s_from_ns(*last - *first));
}

double mean_ms(const std::vector<Ns>& column) {
  return mean(std::span<const Ns>(column)) / ns_per_ms;
}

// busy: how many servers or workers can be busy at one time.
void put_load(Writer& w, const RunTotals& t, double duration_ns, std::int64_t busy) {
  const double usable = as_double(t.num_gpu_blocks - 1);
  const auto average = [&](Int128 integral) {
    return ratio(static_cast<double>(integral), duration_ns);
  };
  w.put("utilization", ratio(as_double(t.busy_ns), duration_ns * as_double(busy)));
  w.put("mean_running", average(t.running_integral));
  w.put("max_running", as_double(t.max_running));
  w.put("mean_waiting", average(t.waiting_integral));
  w.put("max_waiting", as_double(t.max_waiting));
  w.put("mean_kv_use", ratio(average(t.used_block_integral), usable));
  w.put("max_kv_use", ratio(as_double(t.max_used_blocks), usable));
  w.put("preemptions", as_double(t.preemptions));
  w.put("swaps", as_double(t.swaps));
  w.put("preemption_waits", as_double(t.preemption_waits));
  w.put("prefix_hit_rate", ratio(as_double(t.prefix_hit_tokens), as_double(t.prefix_query_tokens)));
}

// What is counted: all requests, or those after a warm-up, from the first one's arrival on.
struct Counted {
  std::int64_t completed, prompt_tokens, output_tokens;
  Ns start_ns, end_ns;
};

Counted counted(const RunTotals& t) {
  return {t.completed, t.prompt_tokens, t.output_tokens, t.start_ns, t.end_ns};
}

// Of requests in order of arrival, at least one.
Counted counted(const RequestColumns& kept) {
  const auto sum = [](const std::vector<std::int32_t>& column) {
    return std::accumulate(column.begin(), column.end(), std::int64_t{0});
  };
  return {static_cast<std::int64_t>(kept.arrival_ns.size()), sum(kept.prompt_tokens),
          sum(kept.output_tokens), kept.arrival_ns.front(),
          *std::max_element(kept.finish_ns.begin(), kept.finish_ns.end())};
}

void put_memory(Writer& w, const MemoryClasses& m) {
  const auto total = static_cast<double>(m.total());  // 0 without record_memory
  const auto share = [&](Int128 integral) { return ratio(static_cast<double>(integral), total); };
  w.put("mean_token_slots", share(m.tokens));
  w.put("mean_reserved_slots", share(m.reserved));
  w.put("mean_internal_slots", share(m.internal));
  w.put("mean_rounding_slots", share(m.rounding));
  w.put("mean_external_slots", share(m.external));
  w.put("mean_cached_slots", share(m.cached));
  w.put("mean_free_slots", share(m.free));
}

void put_fleet(Writer& w, const RequestColumns& q, const FleetTotals& f, const RunTotals& t,
               double duration_s) {
  const bool fleet = f.servers > 0;
  const auto of_fleet = [fleet](double value) { return fleet ? value : undefined; };
  w.put("mean_gateway_ms", mean_ms(q.gateway_ns));
  w.put("mean_dispatch_ms", mean_ms(q.dispatch_ns));
  w.put("mean_network_ms", mean_ms(q.network_ns));
  w.put("rejected", as_double(fleet ? f.rejected : t.rejected));
  w.put("lost", of_fleet(as_double(f.lost)));
  w.put("retries", of_fleet(as_double(f.retries)));
  w.put("deadline_miss_rate",
        f.has_deadlines ? ratio(as_double(f.deadline_misses), as_double(t.completed)) : undefined);
  const auto percent = [&](std::int64_t n) {
    return 100 * ratio(as_double(n), as_double(f.sub_requests));
  };
  w.put("hedge_percent", percent(f.hedges));
  w.put("extra_work_percent", percent(f.hedges - f.cancelled));
  w.put("hedge_win_rate", ratio(as_double(f.hedge_wins), as_double(f.hedges)));
  w.put("mean_batch", f.workers > 0 ? ratio(as_double(f.served), as_double(f.batches)) : undefined);
  w.put("mean_power_mw", f.has_power ? ratio(f.energy_mj, duration_s) : undefined);
  w.put("energy_per_request_mj",
        f.has_power ? ratio(f.energy_mj, as_double(t.completed)) : undefined);
}

}  // namespace

std::vector<double> summarize(const RequestColumns& all, const RunTotals& t,
                              const ItlHistogram& itl, const Slo& slo, const FleetTotals& fleet,
                              Control control, std::int64_t warmup_requests) {
  const bool some_failed = fleet.rejected + fleet.lost + t.rejected > 0;
  const bool warmed = warmup_requests > 0;
  RequestColumns kept;
  if (some_failed) kept = completed_rows(all);
  if (warmed) kept = without_first(some_failed ? kept : all, warmup_requests);
  const RequestColumns& q = some_failed || warmed ? kept : all;
  const Counted c = warmed ? counted(kept) : counted(t);
  // What failed was offered too.
  std::vector<Ns> offered;
  if (some_failed) offered = all.arrival_ns;
  if (warmed) std::erase_if(offered, [&](Ns arrival) { return arrival < c.start_ns; });
  const Latencies l = latencies(q, slo, control);
  const Ns whole_ns = t.end_ns - t.start_ns;
  const double duration_s = s_from_ns(c.end_ns - c.start_ns);
  const double rate = ratio(as_double(c.completed), duration_s);
  const bool has_slo = slo.ttft_ms || slo.tpot_ms || slo.e2e_ms;

  Writer w(control);
  w.put("completed", as_double(c.completed));
  w.put("duration_s", duration_s);
  w.put("total_input_tokens", as_double(c.prompt_tokens));
  w.put("total_output_tokens", as_double(c.output_tokens));
  w.put("request_throughput", rate);
  w.put("output_throughput", ratio(as_double(c.output_tokens), duration_s));
  w.put("total_token_throughput", ratio(as_double(c.prompt_tokens + c.output_tokens), duration_s));
  w.put("request_goodput", has_slo ? ratio(as_double(l.good), duration_s) : undefined);
  w.put_latency("mean_ttft_ms", l.ttft);
  w.put_latency("mean_tpot_ms", l.tpot_ns);
  w.put_itl(itl);
  w.put_latency("mean_e2el_ms", l.e2e);
  w.put("offered_rate_per_s", offered_rate(some_failed ? offered : q.arrival_ns));
  w.put("achieved_rate_per_s", rate);
  put_load(w, t, as_double(whole_ns),
           fleet.workers > 0 ? fleet.workers : std::max<std::int64_t>(1, fleet.servers));
  put_memory(w, t.memory);
  w.put("mean_frontend_ms", q.frontend_ns.empty() ? 0 : mean_ms(q.frontend_ns));
  w.put("mean_queue_ms", mean_ms(l.queue));
  w.put("p99_queue_ms",
        l.queue.empty()
            ? undefined
            : as_double(quantiles(std::span<const Ns>(l.queue), std::array{0.99})[0]) / ns_per_ms);
  w.put("mean_tokens_per_step", ratio(as_double(t.scheduled_tokens), as_double(t.steps)));
  w.put("steps", as_double(t.steps));
  w.put("lazy_steps", as_double(t.lazy_steps));
  w.put("acceptance_rate", ratio(as_double(t.accepted_tokens), as_double(t.draft_tokens)));
  w.put("mean_acceptance_length",
        ratio(as_double(t.verifications + t.accepted_tokens), as_double(t.verifications)));
  w.put("draft_time_share", t.verifications > 0 || t.draft_ns > 0
                                ? ratio(as_double(t.draft_ns), as_double(t.busy_ns))
                                : undefined);
  w.put("speculative_preemptions", as_double(t.speculative_preemptions));
  w.put("peak_bisection_utilization",
        t.peak_bisection_utilization > 0 ? t.peak_bisection_utilization : undefined);
  w.put("mean_host_ms", mean_ms(q.host_ns));
  w.put("mean_compute_ms", mean_ms(q.compute_ns));
  w.put("mean_hbm_ms", mean_ms(q.hbm_ns));
  w.put("mean_comm_ms", mean_ms(q.comm_ns));
  w.put("mean_preempted_ms", mean_ms(q.preempted_ns));
  w.put("mean_redo_ms", mean_ms(q.redo_ns));
  w.put("mean_bubble_ms", mean_ms(q.bubble_ns));
  w.put("warmup_requests", as_double(warmup_requests));
  put_fleet(w, q, fleet, t, s_from_ns(whole_ns));
  return std::move(w).finished();
}

}  // namespace kvsim
