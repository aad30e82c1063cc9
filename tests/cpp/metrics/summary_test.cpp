#include "kvsim/metrics/summary.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "check.hpp"
#include "random.hpp"

using kvsim::ItlHistogram;
using kvsim::Ns;
using kvsim::RequestColumns;
using kvsim::RunTotals;
using kvsim::Slo;
using kvsim::summarize;
using kvsim::summary_fields;
using kvsim::summary_index;

namespace {

double at(const std::vector<double>& summary, std::string_view name) {
  const std::size_t i = summary_index(name);
  return i < summary.size() ? summary[i] : std::nan("");
}

// Request r: arrival r s, first step 10 ms later, first token 100 + r ms after arrival, then
// `outputs - 1` tokens of 20 ms.
RequestColumns columns(int n, std::int32_t outputs) {
  RequestColumns q;
  for (Ns r = 0; r < n; ++r) {
    q.arrival_ns.push_back(r * 1'000'000'000);
    q.scheduled_ns.push_back(q.arrival_ns.back() + 10'000'000);
    q.first_token_ns.push_back(q.arrival_ns.back() + (100 + r) * 1'000'000);
    q.finish_ns.push_back(q.first_token_ns.back() + (outputs - 1) * 20'000'000);
    q.prompt_tokens.push_back(50);
    q.output_tokens.push_back(outputs);
  }
  return q;
}

RunTotals totals(const RequestColumns& q) {
  RunTotals t;
  t.start_ns = q.arrival_ns.front();
  t.end_ns = *std::max_element(q.finish_ns.begin(), q.finish_ns.end());
  t.completed = static_cast<std::int64_t>(q.arrival_ns.size());
  for (const auto n : q.prompt_tokens) t.prompt_tokens += n;
  for (const auto n : q.output_tokens) t.output_tokens += n;
  t.num_gpu_blocks = 101;
  t.block_size = 16;
  return t;
}

}  // namespace

TEST(summary, names_are_unique_and_have_docs) {
  std::set<std::string_view> names;
  for (const auto& f : summary_fields()) {
    CHECK(names.insert(f.name).second);
    CHECK(!f.doc.empty());
  }
  for (const char* name : {"mean_ttft_ms", "p99.9_ttft_ms", "p99_tpot_ms", "median_itl_ms",
                           "std_e2el_ms", "request_throughput", "total_token_throughput"}) {
    CHECK(names.contains(name));
  }
}

TEST(summary, ten_requests_by_hand) {
  const RequestColumns q = columns(10, 11);
  RunTotals t = totals(q);
  t.busy_ns = (t.end_ns - t.start_ns) / 4;
  t.steps = 8;
  t.scheduled_tokens = 100;
  t.preemptions = 3;
  t.prefix_query_tokens = 500;
  t.prefix_hit_tokens = 125;
  t.draft_tokens = 0;
  t.max_used_blocks = 25;
  t.running_integral = kvsim::Int128{2} * (t.end_ns - t.start_ns);
  t.used_block_integral = kvsim::Int128{10} * (t.end_ns - t.start_ns);
  ItlHistogram itl;
  itl.add(20'000'000, 100);
  const auto s = summarize(q, t, itl, Slo{});
  REQUIRE(s.size() == summary_fields().size());
  const double duration = 9 + 0.109 + 0.2;
  CHECK_NEAR(at(s, "duration_s"), duration, 1e-12);
  CHECK_EQ(at(s, "completed"), 10.0);
  CHECK_EQ(at(s, "total_input_tokens"), 500.0);
  CHECK_EQ(at(s, "total_output_tokens"), 110.0);
  CHECK_NEAR(at(s, "request_throughput"), 10 / duration, 1e-12);
  CHECK_NEAR(at(s, "achieved_rate_per_s"), 10 / duration, 1e-12);
  CHECK_NEAR(at(s, "output_throughput"), 110 / duration, 1e-12);
  CHECK_NEAR(at(s, "total_token_throughput"), 610 / duration, 1e-12);
  CHECK_NEAR(at(s, "mean_ttft_ms"), 104.5, 1e-9);
  // Nearest rank: the 5th and the 10th of 10.
  CHECK_EQ(at(s, "median_ttft_ms"), 104.0);
  CHECK_EQ(at(s, "p50_ttft_ms"), 104.0);
  CHECK_EQ(at(s, "p90_ttft_ms"), 108.0);
  CHECK_EQ(at(s, "p99_ttft_ms"), 109.0);
  CHECK_EQ(at(s, "p99.9_ttft_ms"), 109.0);
  CHECK_NEAR(at(s, "std_ttft_ms"), std::sqrt(8.25), 1e-9);
  CHECK_NEAR(at(s, "mean_tpot_ms"), 20, 1e-12);
  CHECK_NEAR(at(s, "p99_itl_ms"), 20, 1e-12);
  CHECK_NEAR(at(s, "std_itl_ms"), 0, 1e-12);
  CHECK_NEAR(at(s, "mean_e2el_ms"), 304.5, 1e-9);
  CHECK_NEAR(at(s, "offered_rate_per_s"), 1, 1e-12);
  CHECK_NEAR(at(s, "mean_queue_ms"), 10, 1e-12);
  CHECK_NEAR(at(s, "p99_queue_ms"), 10, 1e-12);
  CHECK_NEAR(at(s, "utilization"), 0.25, 1e-9);
  CHECK_NEAR(at(s, "mean_running"), 2, 1e-12);
  CHECK_NEAR(at(s, "mean_kv_use"), 0.1, 1e-12);
  CHECK_NEAR(at(s, "max_kv_use"), 0.25, 1e-12);
  CHECK_NEAR(at(s, "prefix_hit_rate"), 0.25, 1e-12);
  CHECK_NEAR(at(s, "mean_tokens_per_step"), 12.5, 1e-12);
  CHECK_EQ(at(s, "preemptions"), 3.0);
  CHECK(std::isnan(at(s, "acceptance_rate")));
  CHECK(std::isnan(at(s, "request_goodput")));
  CHECK(std::isnan(at(s, "mean_host_ms")));
}

TEST(summary, stops_when_it_is_told) {
  const volatile bool stop = true;
  const auto q = columns(3, 5);
  CHECK_THROWS_WITH(summarize(q, totals(q), ItlHistogram{}, Slo{}, {}, {.stop = &stop}),
                    kvsim::Error, "stopped");
}

TEST(summary, single_tokens_have_no_tpot) {
  const RequestColumns q = columns(5, 1);
  const auto s = summarize(q, totals(q), ItlHistogram{}, Slo{});
  CHECK(std::isnan(at(s, "mean_tpot_ms")));
  CHECK(std::isnan(at(s, "p99.9_tpot_ms")));
  CHECK(std::isnan(at(s, "mean_itl_ms")));
  CHECK_NEAR(at(s, "mean_e2el_ms"), 102, 1e-12);
}

TEST(summary, one_request_has_no_rate) {
  const RequestColumns q = columns(1, 2);
  const auto s = summarize(q, totals(q), ItlHistogram{}, Slo{});
  CHECK(std::isnan(at(s, "offered_rate_per_s")));
  CHECK_EQ(at(s, "p99.9_ttft_ms"), 100.0);
}

TEST(summary, goodput_counts_requests_within_every_limit) {
  const RequestColumns q = columns(10, 11);
  Slo slo;
  slo.ttft_ms = 104;  // 5 of 10, the limit itself is good
  const auto good = [&] {
    const auto s = summarize(q, totals(q), ItlHistogram{}, slo);
    return at(s, "request_goodput") * at(s, "duration_s");
  };
  CHECK_NEAR(good(), 5, 1e-9);
  slo.tpot_ms = 20;
  CHECK_NEAR(good(), 5, 1e-9);
  slo.e2e_ms = 302.5;
  CHECK_NEAR(good(), 3, 1e-9);
  slo.tpot_ms = 19.999;
  CHECK_NEAR(good(), 0, 1e-9);
}

TEST(summary, waterfall_means_where_it_is_recorded) {
  RequestColumns q = columns(4, 2);
  q.host_ns = {1'000'000, 2'000'000, 3'000'000, 6'000'000};
  const auto s = summarize(q, totals(q), ItlHistogram{}, Slo{});
  CHECK_NEAR(at(s, "mean_host_ms"), 3, 1e-12);
  CHECK(std::isnan(at(s, "mean_hbm_ms")));
}

TEST(summary, quantiles_are_those_of_the_sorted_columns) {
  kvsim_test::Random random(7);
  RequestColumns q;
  std::vector<double> tpot;
  for (int r = 0; r < 5000; ++r) {
    q.arrival_ns.push_back(r);
    q.scheduled_ns.push_back(r + random.between(0, 1'000));
    q.first_token_ns.push_back(q.scheduled_ns.back() + random.between(1, 1'000'000'000));
    q.output_tokens.push_back(static_cast<std::int32_t>(random.between(1, 500)));
    q.finish_ns.push_back(q.first_token_ns.back() +
                          (q.output_tokens.back() - 1) * random.between(0, 99));
    q.prompt_tokens.push_back(1);
    if (q.output_tokens.back() > 1) {
      tpot.push_back(static_cast<double>(q.finish_ns.back() - q.first_token_ns.back()) /
                     static_cast<double>(q.output_tokens.back() - 1));
    }
  }
  std::sort(tpot.begin(), tpot.end());
  const auto s = summarize(q, totals(q), ItlHistogram{}, Slo{});
  const auto n = static_cast<double>(tpot.size());
  CHECK_EQ(at(s, "p95_tpot_ms"), tpot[static_cast<std::size_t>(std::ceil(0.95 * n)) - 1] / 1e6);
  CHECK_EQ(at(s, "p99.9_tpot_ms"), tpot[static_cast<std::size_t>(std::ceil(0.999 * n)) - 1] / 1e6);
}
