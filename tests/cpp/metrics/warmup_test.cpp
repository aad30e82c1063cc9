#include "kvsim/metrics/warmup.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/metrics/summary.hpp"
#include "random.hpp"

using kvsim::Ns;

namespace {

// The definition, in O(n^2): of the batch means from d on, the squared standard error.
std::int64_t slow_mser5(const std::vector<double>& x) {
  const std::size_t n = x.size() / 5;
  std::vector<double> y(n);
  for (std::size_t i = 0; i < 5 * n; ++i) y[i / 5] += x[i] / 5;
  double least = 0;
  std::size_t best = 0;
  for (std::size_t d = 0; d + 5 <= n; ++d) {
    const auto left = static_cast<double>(n - d);
    double mean = 0;
    double squares = 0;
    for (std::size_t i = d; i < n; ++i) mean += y[i] / left;
    for (std::size_t i = d; i < n; ++i) squares += (y[i] - mean) * (y[i] - mean);
    const double error = squares / (left * left);
    if (d == 0 || error < least) {
      least = error;
      best = d;
    }
  }
  return static_cast<std::int64_t>(5 * best);
}

}  // namespace

TEST(warmup, mser5_is_its_definition) {
  kvsim_test::Random random(11);
  for (int trial = 0; trial < 50; ++trial) {
    const int n = 50 + static_cast<int>(random.between(0, 399));
    const int transient = static_cast<int>(random.between(0, n - 1));
    std::vector<double> x;
    for (int i = 0; i < n; ++i) {
      const double level = i < transient ? 3.0 * (transient - i) : 0;
      x.push_back(level + static_cast<double>(random.between(0, 999)) / 100);
    }
    const kvsim::WarmupCut cut = kvsim::mser5(x);
    const std::int64_t slow = slow_mser5(x);
    const std::int64_t half = n / 5 / 2 * 5;
    CHECK_EQ(cut.steady, slow <= half);
    CHECK_EQ(cut.requests, cut.steady ? slow : half);
  }
}

TEST(warmup, mser5_finds_a_transient_of_known_length) {
  std::vector<double> x;
  for (int i = 0; i < 1000; ++i) x.push_back((i < 200 ? 50 : 10) + i % 3);
  CHECK_EQ(kvsim::mser5(x).requests, 200);
  CHECK(kvsim::mser5(x).steady);
  CHECK_EQ(kvsim::mser5(std::vector<double>(49, 1.0)).requests, 0);
  std::vector<double> ramp;
  for (int i = 0; i < 1000; ++i) ramp.push_back(i < 900 ? 1000 - i : 0);
  CHECK(!kvsim::mser5(ramp).steady);
  CHECK_EQ(kvsim::mser5(ramp).requests, 500);
}

TEST(warmup, the_summary_of_what_is_left_is_that_of_a_run_without_the_first) {
  kvsim::RequestColumns all;
  kvsim::RequestColumns late;
  const std::vector<Ns> arrivals{40, 10, 30, 20, 50};  // rows need not be in order of arrival
  for (std::size_t r = 0; r < arrivals.size(); ++r) {
    for (kvsim::RequestColumns* q : {&all, &late}) {
      if (q == &late && arrivals[r] < 30) continue;
      q->arrival_ns.push_back(arrivals[r] * 1'000'000);
      q->scheduled_ns.push_back(q->arrival_ns.back() + 1'000);
      q->first_token_ns.push_back(q->scheduled_ns.back() + 7'000 * arrivals[r]);
      q->finish_ns.push_back(q->first_token_ns.back() + 11'000 * arrivals[r]);
      q->prompt_tokens.push_back(static_cast<std::int32_t>(arrivals[r]));
      q->output_tokens.push_back(static_cast<std::int32_t>(2 + r));
    }
  }
  const auto totals = [](const kvsim::RequestColumns& q, Ns start) {
    kvsim::RunTotals t;
    t.start_ns = start;
    for (const Ns end : q.finish_ns) t.end_ns = std::max(t.end_ns, end);
    t.completed = static_cast<std::int64_t>(q.finish_ns.size());
    for (const auto n : q.prompt_tokens) t.prompt_tokens += n;
    for (const auto n : q.output_tokens) t.output_tokens += n;
    return t;
  };
  kvsim::Slo slo;
  slo.ttft_ms = .25;
  const auto cut = kvsim::summarize(all, totals(all, 10'000'000), {}, slo, {}, {}, 2);
  const auto alone = kvsim::summarize(late, totals(late, 30'000'000), {}, slo);
  for (std::size_t f = 0; f < cut.size(); ++f) {
    if (kvsim::summary_fields()[f].name == "warmup_requests") {
      CHECK_EQ(cut[f], 2.0);
    } else if (alone[f] == alone[f]) {
      CHECK_EQ(cut[f], alone[f]);
    }
  }
}

TEST(warmup, a_rule_that_leaves_nothing_is_refused) {
  kvsim::RequestColumns q;
  q.arrival_ns = {1, 2};
  CHECK_EQ(kvsim::warmup_cut(kvsim::FirstRequests{1}, q).requests, 1);
  CHECK_THROWS_KIND(kvsim::warmup_cut(kvsim::FirstRequests{2}, q), config,
                    "warmup.num_requests: got 2");
}
