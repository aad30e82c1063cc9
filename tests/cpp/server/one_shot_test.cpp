#include "kvsim/server/one_shot.hpp"

#include <map>
#include <vector>

#include "check.hpp"
#include "kvsim/core/quantile.hpp"

using kvsim::LawSampler;
using kvsim::Ns;
using kvsim::OneShotServer;
using kvsim::OneShotSpec;

namespace {

constexpr Ns ms = kvsim::kNsPerMs;

// Submits at given times, lets the server act in between; finish by copy.
class Bench {
 public:
  explicit Bench(const OneShotSpec& spec, Ns wakeup = 0)
      : server(spec, wakeup), law_(spec.jitter, 1, kvsim::Purpose::service) {}

  void until(Ns t) {  // completions up to t, starts before it
    for (auto act = server.next(); act.time < t || (act.time == t && act.phase == 0);
         act = server.next()) {
      if (act.time == kvsim::kNever) return;
      if (act.phase == 0) {
        server.complete([&](std::uint32_t copy, Ns) { finish[copy] = act.time; });
      } else {
        server.start(act.time, law_, [&](std::uint32_t copy) { started[copy] = act.time; });
      }
    }
  }
  std::uint64_t submit(Ns t, std::uint32_t copy, Ns deadline = kvsim::kNever) {
    until(t);
    return server.submit(t, {copy, false, t, deadline, copy, 0});
  }
  void drain() { until(kvsim::kNever); }

  OneShotServer server;
  std::map<std::uint32_t, Ns> started, finish;

 private:
  LawSampler law_;
};

OneShotSpec spec_of(std::int64_t workers, std::int64_t batch, double window_ms) {
  OneShotSpec spec;
  spec.workers = workers;
  spec.max_batch = batch;
  spec.window_ms = window_ms;
  spec.s0_ms = 10;
  spec.s1_ms = 1;
  return spec;
}

}  // namespace

TEST(one_shot, one_after_the_other) {
  Bench b(spec_of(1, 1, 0));
  b.submit(0, 0);
  b.submit(5 * ms, 1);
  b.submit(11 * ms, 2);  // at the moment of the first completion
  b.drain();
  CHECK_EQ(b.finish[0], 11 * ms);
  CHECK_EQ(b.started[1], 11 * ms);
  CHECK_EQ(b.finish[2], 33 * ms);
  CHECK_EQ(b.server.totals.busy_ns, 33 * ms);
  CHECK_EQ(b.server.totals.max_waiting, 1);  // 2 came when 1 could start
  CHECK(b.server.totals.waiting_integral + b.server.totals.running_integral ==
        b.server.totals.sojourn);
}

TEST(one_shot, a_batch_starts_full_or_after_its_window) {
  Bench b(spec_of(1, 3, 4));
  b.submit(0, 0);
  b.submit(1 * ms, 1);
  b.drain();
  CHECK_EQ(b.started[0], 4 * ms);  // the window of the first
  CHECK_EQ(b.finish[1], 16 * ms);
  for (std::uint32_t i = 2; i < 6; ++i) b.submit(20 * ms, i);
  b.drain();
  CHECK_EQ(b.started[4], 20 * ms);  // full
  CHECK_EQ(b.started[5], 33 * ms);  // its window was over when the worker was free
  CHECK_EQ(b.server.totals.batches, 3);
  CHECK_EQ(b.server.totals.served, 6);
}

TEST(one_shot, a_batch_of_those_that_come_at_one_time) {
  Bench b(spec_of(1, 8, 0));
  for (std::uint32_t i = 0; i < 5; ++i) b.submit(0, i);
  b.drain();
  CHECK_EQ(b.server.totals.batches, 1);
  CHECK_EQ(b.finish[4], 15 * ms);
}

TEST(one_shot, the_earliest_deadline_first) {
  auto spec = spec_of(1, 1, 0);
  spec.discipline = kvsim::Discipline::edf;
  Bench b(spec);
  b.submit(0, 0, 5 * ms);
  b.submit(1 * ms, 1, 90 * ms);
  b.submit(2 * ms, 2, 30 * ms);
  b.submit(3 * ms, 3, 60 * ms);
  b.drain();
  CHECK_EQ(b.started[2], 11 * ms);
  CHECK_EQ(b.started[3], 22 * ms);
  CHECK_EQ(b.started[1], 33 * ms);
}

TEST(one_shot, what_waits_can_be_cancelled_and_what_runs_cannot) {
  for (const auto discipline : {kvsim::Discipline::fcfs, kvsim::Discipline::edf}) {
    auto spec = spec_of(1, 1, 0);
    spec.discipline = discipline;
    Bench b(spec);
    std::vector<std::uint64_t> handles;
    for (std::uint32_t i = 0; i < 40; ++i) handles.push_back(b.submit(0, i, 100 * ms));
    b.until(1 * ms);
    CHECK(!b.server.cancel(1 * ms, handles[0]));
    CHECK(b.server.cancel(1 * ms, handles[1]));
    CHECK(!b.server.cancel(1 * ms, handles[1]));
    CHECK(b.server.cancel(1 * ms, handles[20]));
    b.drain();
    CHECK_EQ(b.finish.size(), 38U);
    CHECK_EQ(b.started[2], 11 * ms);
    CHECK(b.server.totals.waiting_integral + b.server.totals.running_integral ==
          b.server.totals.sojourn);
  }
}

TEST(one_shot, a_failure_loses_all_and_a_wake_up_takes_time) {
  Bench b(spec_of(2, 1, 0), 3 * ms);
  for (std::uint32_t i = 0; i < 5; ++i) b.submit(0, i);
  b.until(4 * ms);
  std::vector<std::uint32_t> lost;
  b.server.fail(4 * ms, [&](std::uint32_t copy) { lost.push_back(copy); });
  CHECK_EQ(lost.size(), 5U);
  CHECK_EQ(b.server.totals.busy_ns, 8 * ms);
  CHECK_EQ(b.server.next().time, kvsim::kNever);
  b.submit(10 * ms, 9);
  b.drain();
  CHECK_EQ(b.finish[9], 24 * ms);
  CHECK_EQ(b.server.totals.wakeups, 2);
}

TEST(laws, have_the_mean_and_variation_that_they_state) {
  const auto check = [](const kvsim::Law& law, double mean, double cv, double tolerance) {
    LawSampler sampler(law, 5, kvsim::Purpose::service);
    std::vector<double> values;
    for (std::uint64_t i = 0; i < 200'000; ++i) values.push_back(sampler.factor(i, 0));
    CHECK_NEAR(kvsim::mean(values), mean, tolerance);
    CHECK_NEAR(kvsim::standard_deviation(values) / mean, cv, 3 * tolerance);
    CHECK_EQ(sampler.factor(17, 0), values[17]);  // no state
    if (cv > 0) CHECK(sampler.factor(17, 1) != values[17]);
  };
  check(kvsim::ConstantLaw{}, 1, 0, 1e-12);
  check(kvsim::ExponentialLaw{}, 1, 1, .01);
  check(kvsim::LogNormalLaw{.cv = .5}, 1, .5, .01);
  check(kvsim::GammaLaw{.cv = 1.5}, 1, 1.5, .015);
  check(kvsim::ParetoLaw{.shape = 5}, 1, .258, .01);
  check(kvsim::EmpiricalLaw{{1, 2, 4}, {2, 1, 1}}, 2, .612, .01);
  check(kvsim::EmpiricalLaw{{1, 3}, {}}, 2, .5, .01);
}
