#include "kvsim/theory/queueing.hpp"

#include <cmath>

#include "check.hpp"
#include "kvsim/core/error.hpp"

using namespace kvsim::theory;

TEST(queueing, mm1_and_its_knee) {
  for (const auto& [rho, sojourn] : {std::pair{.5, 2.0}, {.8, 5.0}, {.9, 10.0}}) {
    CHECK_NEAR(mm1_mean_sojourn_s(rho, 1), sojourn, 1e-12);
    CHECK_NEAR(mm1_mean_sojourn_s(rho / 3, 3), 3 * sojourn, 1e-11);
    CHECK_NEAR(mm1_sojourn_quantile_s(rho, 1, .99), std::log(100.0) * sojourn, 1e-11);
  }
  CHECK_NEAR(mm1_mean_wait_s(.8, 1), 4, 1e-12);
  CHECK_NEAR(mm1_knee_utilization(5), .8, 1e-15);
  CHECK(std::isinf(mm1_mean_wait_s(1, 1)));
}

TEST(queueing, mmc_by_erlang) {
  CHECK_NEAR(erlang_c(.8 * 8, 1, 8), .4576, 5e-5);
  CHECK_NEAR(mmc_mean_wait_s(.8 * 8, 1, 8), .286, 5e-4);
  CHECK_NEAR(erlang_c(.9 * 8, 1, 8), .7015, 5e-5);
  CHECK_NEAR(mmc_mean_wait_s(.9 * 8, 1, 8), .877, 5e-4);
  CHECK_NEAR(mmc_mean_wait_s(.7, 1, 1), mm1_mean_wait_s(.7, 1), 1e-12);
  CHECK_NEAR(mmc_sojourn_quantile_s(.7, 1, 1, .99), mm1_sojourn_quantile_s(.7, 1, .99), 1e-9);
  // A wait that few have is 0 at a lower quantile.
  CHECK_EQ(mmc_wait_quantile_s(.5 * 8, 1, 8, .5), 0.0);
  CHECK_NEAR(mmc_wait_quantile_s(.9 * 8, 1, 8, .99), std::log(.70154 / .01) / .8, 1e-3);
  // s = c - a = 1 is a removable singularity of the tail.
  const double at = mmc_sojourn_quantile_s(7, 1, 8, .99);
  CHECK_NEAR(at, mmc_sojourn_quantile_s(7 + 1e-5, 1, 8, .99), 1e-3);
  CHECK(std::isinf(mmc_sojourn_quantile_s(8, 1, 8, .9)));
}

TEST(queueing, general_service) {
  CHECK_NEAR(md1_mean_wait_s(.8, 1), 2.0, 1e-12);
  CHECK_NEAR(md1_mean_wait_s(.9, 1), 4.5, 1e-12);
  CHECK_NEAR(mg1_mean_wait_s(.5, 2e-3, 3), 1e-3 / (1 - 1e-3) * 5 * 2e-3, 1e-12);
  CHECK_NEAR(kingman_mean_wait_s(.8, 1, .5, .5), 1, 1e-12);
}

TEST(queueing, batches_of_fixed_size) {
  // S(B) = 50 ms + .5 ms B at 100/s.
  CHECK_NEAR(batch_queue_mean_sojourn_s(100, .05, .0005, 8), .1501, 5e-5);
  CHECK_NEAR(batch_queue_mean_sojourn_s(100, .05, .0005, 16), .1545, 5e-5);
  CHECK_NEAR(batch_queue_mean_sojourn_s(100, .05, .0005, 32), .2346, 5e-5);
  CHECK(std::isinf(batch_queue_mean_sojourn_s(100, .05, .0005, 4)));
}

TEST(queueing, fan_out) {
  CHECK_NEAR(any_slow_probability(.01, 100), .634, 5e-4);
  CHECK_NEAR(any_slow_probability(.0001, 2000), .181, 5e-4);
  CHECK_NEAR(any_slow_probability(.01, 10), .0956, 5e-5);
  CHECK_NEAR(max_exponential_mean_s(10, 1), 2.9289682539682538, 1e-14);
  CHECK_NEAR(max_exponential_quantile_s(10, 2, .99), -2 * std::log(1 - std::pow(.99, .1)), 1e-12);
  CHECK_NEAR(any_slow_probability(1 - leaf_quantile(.99, 10), 10), .01, 1e-12);
}

TEST(queueing, power_of_choices) {
  CHECK_NEAR(power_of_d_mean_sojourn_s(.9, 1, 1), 10, 1e-12);
  // 1 + .9^2 + .9^6 + .9^14 + ...: 2.6141 in Mitzenmacher's table.
  CHECK_NEAR(power_of_d_mean_sojourn_s(.9, 1, 2), 2.6141, 5e-5);
  CHECK_NEAR(power_of_d_mean_sojourn_s(.99, 1, 2), 5.4320, 5e-5);
}

TEST(queueing, refuses_what_has_no_meaning) {
  CHECK_THROWS_WITH(mm1_mean_wait_s(-1, 1), kvsim::Error, "rate_per_s");
  CHECK_THROWS_WITH(mmc_mean_wait_s(1, 1, 0), kvsim::Error, "servers");
  CHECK_THROWS_WITH(mm1_sojourn_quantile_s(.5, 1, 1), kvsim::Error, "below 1");
  CHECK_THROWS_WITH(any_slow_probability(2, 1), kvsim::Error, "p: got 2");
  CHECK_THROWS_WITH(batch_queue_mean_sojourn_s(1, 0, 0, 1), kvsim::Error, "s0_s");
}
