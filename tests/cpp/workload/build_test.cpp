#include "kvsim/workload/build.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "check.hpp"
#include "kvsim/core/error.hpp"

using kvsim::build_requests;
using kvsim::ClosedLoop;
using kvsim::Dataset;
using kvsim::DatasetLengths;
using kvsim::DatasetOrder;
using kvsim::Datasets;
using kvsim::Deterministic;
using kvsim::Error;
using kvsim::FixedLengths;
using kvsim::GammaArrivals;
using kvsim::LogNormalLengths;
using kvsim::Ns;
using kvsim::Poisson;
using kvsim::PrefixGroups;
using kvsim::RandomRangeLengths;
using kvsim::RequestTable;
using kvsim::Sessions;
using kvsim::TraceArrivals;
using kvsim::TracePrefixes;
using kvsim::UniformLengths;
using kvsim::Workload;

namespace {

Workload workload(kvsim::Arrivals arrivals, std::int64_t n,
                  kvsim::Lengths lengths = FixedLengths{}) {
  Workload w;
  w.arrivals = std::move(arrivals);
  w.lengths = std::move(lengths);
  w.num_requests = n;
  return w;
}

RequestTable build(const Workload& w, std::uint64_t seed = 1, const Datasets& d = {}) {
  return build_requests(w, d, 16, seed, true);
}

// Three rows at 5 s, 6 s, 9 s.
Datasets three_rows() {
  auto d = std::make_shared<Dataset>();
  d->arrival_ns = {5'000'000'000, 6'000'000'000, 9'000'000'000};
  d->prompt_tokens = {100, 200, 300};
  d->output_tokens = {10, 20, 30};
  return {{"three", d}};
}

Workload three(kvsim::Arrivals arrivals, std::optional<std::int64_t> n = {},
               DatasetOrder order = DatasetOrder::trace) {
  Workload w;
  w.arrivals = std::move(arrivals);
  w.lengths = DatasetLengths{"three", order};
  w.num_requests = n;
  return w;
}

struct Gaps {
  double mean_s, cv;
};
Gaps gaps(const RequestTable& t) {
  std::vector<double> g;
  Ns last = 0;
  for (const Ns a : t.arrival_ns) {
    g.push_back(static_cast<double>(a - last) / 1e9);
    last = a;
  }
  const double n = static_cast<double>(g.size());
  const double mean = std::accumulate(g.begin(), g.end(), 0.0) / n;
  double squares = 0;
  for (const double x : g) squares += (x - mean) * (x - mean);
  return {mean, std::sqrt(squares / n) / mean};
}

template <class T>
double mean_of(const std::vector<T>& v) {
  return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
}

constexpr Ns second = 1'000'000'000;

}  // namespace

TEST(arrivals, poisson_has_its_rate_and_cv) {
  const auto t = build(workload(Poisson{8}, 100'000));
  CHECK_NEAR(gaps(t).mean_s, 0.125, 0.125 * 0.01);
  CHECK_NEAR(gaps(t).cv, 1, 0.01);
  CHECK(std::is_sorted(t.arrival_ns.begin(), t.arrival_ns.end()));
  CHECK(t.arrival_ns[0] > 0);
}

TEST(arrivals, gamma_has_its_rate_and_cv) {
  for (const double cv : {0.3, 1.0, 2.5}) {
    const auto t = build(workload(GammaArrivals{4, cv}, 100'000));
    CHECK_NEAR(gaps(t).mean_s, 0.25, 0.25 * 0.03);
    CHECK_NEAR(gaps(t).cv, cv, cv * 0.04);
  }
}

TEST(arrivals, a_rate_only_stretches_time) {
  const auto slow = build(workload(Poisson{1}, 1000));
  const auto fast = build(workload(Poisson{2}, 1000));
  for (std::size_t i = 0; i < 1000; ++i) {
    CHECK_NEAR(static_cast<double>(slow.arrival_ns[i]),
               2.0 * static_cast<double>(fast.arrival_ns[i]), 1);
  }
}

TEST(arrivals, more_requests_leave_the_first_ones) {
  const auto few = build(workload(Poisson{1}, 10, UniformLengths{}));
  const auto many = build(workload(Poisson{1}, 1000, UniformLengths{}));
  CHECK(std::equal(few.arrival_ns.begin(), few.arrival_ns.end(), many.arrival_ns.begin()));
  CHECK(std::equal(few.prompt_tokens.begin(), few.prompt_tokens.end(), many.prompt_tokens.begin()));
}

TEST(arrivals, seeds_and_parts_are_independent) {
  const auto a = build(workload(Poisson{1}, 100, UniformLengths{}), 1);
  const auto b = build(workload(Poisson{1}, 100, UniformLengths{}), 2);
  CHECK(a.arrival_ns != b.arrival_ns);
  CHECK(a.prompt_tokens != b.prompt_tokens);
  // Another arrival process leaves the lengths, other lengths leave the arrivals.
  const auto c = build(workload(GammaArrivals{1, 2}, 100, UniformLengths{}), 1);
  CHECK_EQ(a.prompt_tokens, c.prompt_tokens);
  const auto d = build(workload(Poisson{1}, 100, LogNormalLengths{}), 1);
  CHECK_EQ(a.arrival_ns, d.arrival_ns);
}

TEST(arrivals, deterministic_burst_and_closed_loop) {
  CHECK_EQ(build(workload(Deterministic{4}, 3)).arrival_ns,
           (std::vector<Ns>{second / 4, second / 2, second / 4 * 3}));
  CHECK_EQ(build(workload(kvsim::Burst{}, 3)).arrival_ns, (std::vector<Ns>{0, 0, 0}));
  const auto t = build(workload(ClosedLoop{2, 1.5}, 4));
  CHECK_EQ(t.arrival_ns, (std::vector<Ns>{0, 0, -1, -1}));
  CHECK_EQ(t.closed_loop_concurrency, 2);
  CHECK_EQ(t.closed_loop_think_ns, 1'500'000);
  CHECK_EQ(build(workload(ClosedLoop{9, 0}, 2)).arrival_ns, (std::vector<Ns>{0, 0}));
}

TEST(arrivals, rates_that_take_centuries_are_refused) {
  CHECK_THROWS_WITH(build(workload(Poisson{1e-12}, 10)), Error, "workload.arrivals.rate_per_s");
  CHECK_THROWS_WITH(build(workload(Deterministic{2e-9}, 10)), Error, "within 146 years");
}

TEST(trace_arrivals, are_the_rows_times_from_the_first_on) {
  const auto t = build(three(TraceArrivals{}), 1, three_rows());
  CHECK_EQ(t.arrival_ns, (std::vector<Ns>{0, second, 4 * second}));
  CHECK_EQ(t.prompt_tokens, (std::vector<std::int32_t>{100, 200, 300}));
  CHECK_EQ(t.output_tokens, (std::vector<std::int32_t>{10, 20, 30}));
  CHECK_EQ(build(three(TraceArrivals{0.5, {}}), 1, three_rows()).arrival_ns,
           (std::vector<Ns>{0, second / 2, 2 * second}));
  CHECK_EQ(build(three(TraceArrivals{}, 2), 1, three_rows()).arrival_ns,
           (std::vector<Ns>{0, second}));
}

TEST(trace_arrivals, repeat_after_one_mean_gap) {
  const auto t = build(three(TraceArrivals{}, 7), 1, three_rows());
  CHECK_EQ(t.arrival_ns, (std::vector<Ns>{0, second, 4 * second, 6 * second, 7 * second,
                                          10 * second, 12 * second}));
  CHECK_EQ(t.prompt_tokens, (std::vector<std::int32_t>{100, 200, 300, 100, 200, 300, 100}));
}

TEST(trace_arrivals, are_scaled_to_a_rate) {
  // (n - 1) / (last - first) over the requests of the run.
  for (const std::int64_t n : {2, 3, 8}) {
    const auto t = build(three(TraceArrivals{1, 10.0}, n), 1, three_rows());
    CHECK_NEAR(static_cast<double>(t.arrival_ns.back()), static_cast<double>(n - 1) * 1e8, 1);
  }
}

TEST(trace_arrivals, refuse_what_they_cannot_give) {
  auto d = std::make_shared<Dataset>();
  d->prompt_tokens = {1, 2};
  d->output_tokens = {1, 2};
  const Datasets datasets{{"three", d}};
  CHECK_THROWS_WITH(build(three(TraceArrivals{}), 1, datasets), Error,
                    "has lengths but no arrival times");
  d->arrival_ns = {5, 5};
  CHECK_EQ(build(three(TraceArrivals{}), 1, datasets).arrival_ns, (std::vector<Ns>{0, 0}));
  CHECK_THROWS_WITH(build(three(TraceArrivals{1, 2.0}), 1, datasets), Error,
                    "all arrive at one time");
  d->arrival_ns = {5, 4};
  CHECK_THROWS_WITH(build(three(TraceArrivals{}), 1, datasets), Error, "dataset \"three\", row 2");
  d->arrival_ns = {5};
  CHECK_THROWS_WITH(build(three(TraceArrivals{}), 1, datasets), Error, "1 entries in arrival_ns");
  d->arrival_ns = {5};
  d->prompt_tokens = d->output_tokens = {1};
  CHECK_THROWS_WITH(build(three(TraceArrivals{}, 2), 1, datasets), Error, "workload.num_requests");
}

TEST(lengths, follow_their_laws) {
  const std::int64_t n = 100'000;
  const auto u = build(workload(Poisson{1}, n, UniformLengths{3, 5, 7, 7}));
  CHECK_EQ(*std::min_element(u.prompt_tokens.begin(), u.prompt_tokens.end()), 3);
  CHECK_EQ(*std::max_element(u.prompt_tokens.begin(), u.prompt_tokens.end()), 5);
  CHECK_NEAR(mean_of(u.prompt_tokens), 4, 0.02);
  CHECK_EQ(mean_of(u.output_tokens), 7.0);

  LogNormalLengths law{1000, 0.8, 200, 0, 1500, 1000};
  const auto l = build(workload(Poisson{1}, n, law));
  CHECK_EQ(*std::max_element(l.prompt_tokens.begin(), l.prompt_tokens.end()), 1500);
  CHECK(*std::min_element(l.prompt_tokens.begin(), l.prompt_tokens.end()) >= 1);
  CHECK_EQ(mean_of(l.output_tokens), 200.0);  // no variance
  law.prompt_max_tokens = 1 << 20;
  const auto wide = build(workload(Poisson{1}, n, law));
  CHECK_NEAR(mean_of(wide.prompt_tokens), 1000.5, 12);  // half a token from rounding up
  double squares = 0;
  for (const auto x : wide.prompt_tokens) squares += (x - 1000.5) * (x - 1000.5);
  CHECK_NEAR(std::sqrt(squares / static_cast<double>(n)) / 1000, 0.8, 0.02);

  const auto r = build(workload(Poisson{1}, n, RandomRangeLengths{10, 1, 0.25}));
  CHECK_EQ(*std::min_element(r.prompt_tokens.begin(), r.prompt_tokens.end()), 7);
  CHECK_EQ(*std::max_element(r.prompt_tokens.begin(), r.prompt_tokens.end()), 13);
  CHECK_EQ(*std::min_element(r.output_tokens.begin(), r.output_tokens.end()), 1);
  CHECK_EQ(*std::max_element(r.output_tokens.begin(), r.output_tokens.end()), 2);
}

TEST(lengths, of_datasets_come_in_order_or_drawn) {
  const auto drawn = build(three(Poisson{1}, 30'000, DatasetOrder::resample), 1, three_rows());
  std::array<int, 4> counts{};
  for (std::size_t r = 0; r < drawn.prompt_tokens.size(); ++r) {
    CHECK_EQ(drawn.prompt_tokens[r], 10 * drawn.output_tokens[r]);  // whole rows are drawn
    ++counts[static_cast<std::size_t>(drawn.prompt_tokens[r] / 100)];
  }
  for (std::size_t i = 1; i < 4; ++i) CHECK_NEAR(counts[i], 10'000, 300);
}

TEST(lengths, refuse_what_is_no_length) {
  auto d = std::make_shared<Dataset>();
  d->prompt_tokens = {5, 0};
  d->output_tokens = {1, 1};
  CHECK_THROWS_WITH(build(three(Poisson{1}), 1, {{"three", d}}), Error,
                    "prompt_tokens = 0 in dataset \"three\", row 2");
  d->prompt_tokens = {5, 2'000'000'000};
  d->output_tokens = {1, 2'000'000'000};
  CHECK_THROWS_WITH(build(three(Poisson{1}), 1, {{"three", d}}), Error,
                    "prompt plus output of 4000000000 tokens (request 1)");
  CHECK_THROWS_WITH(build(three(Poisson{1}), 1, {{"there", d}, {"azure", d}}), Error,
                    "workload.lengths.name: got \"three\"; allowed: \"azure\", \"there\"; nearest: "
                    "there");
  CHECK_THROWS_WITH(build(three(Poisson{1})), Error, "a dataset that is handed over");
  d->prompt_tokens.clear();
  CHECK_THROWS_WITH(build(three(Poisson{1}), 1, {{"three", d}}), Error, "without rows");
}

TEST(priorities, are_drawn_or_the_datasets) {
  Workload w = workload(Poisson{1}, 30'000);
  CHECK(build(w).priority.empty());
  w.priority_levels = 3;
  const auto t = build(w);
  CHECK_NEAR(mean_of(t.priority), 1, 0.02);
  CHECK_EQ(*std::max_element(t.priority.begin(), t.priority.end()), 2);
  auto d = std::make_shared<Dataset>();
  d->prompt_tokens = d->output_tokens = {1, 1};
  d->priority = {7, -7};
  CHECK_EQ(build(three(Poisson{1}, 3), 1, {{"three", d}}).priority,
           (std::vector<std::int32_t>{7, -7, 7}));
}

TEST(build, stops_when_it_is_told) {
  const volatile bool stop = true;
  Datasets none;
  for (const kvsim::Lengths& lengths :
       {kvsim::Lengths{UniformLengths{}}, kvsim::Lengths{LogNormalLengths{}}}) {
    const Workload w = workload(Poisson{1}, 10, lengths);
    CHECK_THROWS_WITH(build_requests(w, none, 16, 1, true, {.stop = &stop}), Error, "stopped");
  }
  CHECK_THROWS_WITH(build_requests(three(Poisson{1}), three_rows(), 16, 1, true, {.stop = &stop}),
                    Error, "stopped");
  CHECK_THROWS_WITH(
      build_requests(workload(GammaArrivals{}, 10), none, 16, 1, true, {.stop = &stop}), Error,
      "stopped");
}
