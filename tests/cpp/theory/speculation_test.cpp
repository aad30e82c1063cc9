#include "kvsim/theory/speculation.hpp"

#include <cmath>
#include <vector>

#include "check.hpp"
#include "kvsim/core/error.hpp"

using namespace kvsim::theory;

TEST(speculation_theory, five_drafts_of_a_model_20_times_faster) {
  CHECK_NEAR(speculation_speedup(0.9, 5, 0.05), 3.75, 0.005);
  CHECK_NEAR(speculation_speedup(0.7, 5, 0.05), 2.35, 0.005);
  CHECK_NEAR(speculation_speedup(0.5, 5, 0.05), 1.58, 0.006);
}

TEST(speculation_theory, the_sum_is_the_closed_form) {
  for (const double a : {0.0, 0.3, 0.75, 0.999}) {
    for (const int g : {0, 1, 5, 40}) {
      CHECK_NEAR(tokens_per_pass(a, g), (1 - std::pow(a, g + 1)) / (1 - a), 1e-9);
      CHECK_NEAR(tokens_per_pass(std::vector<double>(static_cast<std::size_t>(g), a)),
                 tokens_per_pass(a, g), 0);
    }
  }
  CHECK_NEAR(tokens_per_pass(1.0, 7), 8, 0);
  CHECK_NEAR(tokens_per_pass(std::vector<double>{0.5, 0.0, 1.0}), 1.5, 0);
}

TEST(speculation_theory, useless_drafts_are_not_proposed) {
  CHECK(best_drafts(0.0, 0.05, 10) == 0);
  CHECK(best_drafts(0.05, 0.05, 10) == 0);
  CHECK(best_drafts(1.0, 0.05, 10) == 10);
  const std::int64_t best = best_drafts(0.8, 0.05, 30);
  CHECK(speculation_speedup(0.8, best, 0.05) > speculation_speedup(0.8, best - 1, 0.05));
  CHECK(speculation_speedup(0.8, best, 0.05) >= speculation_speedup(0.8, best + 1, 0.05));
}

TEST(speculation_theory, bad_values_are_refused) {
  CHECK_THROWS_KIND(tokens_per_pass(1.1, 3), config, "acceptance");
  CHECK_THROWS_KIND(tokens_per_pass(-0.1, 3), config, "acceptance");
  CHECK_THROWS_KIND(tokens_per_pass(0.5, -1), config, "drafts");
  CHECK_THROWS_KIND(speculation_speedup(0.5, 3, -1), config, "draft_cost");
}
