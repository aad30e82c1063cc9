#include "kvsim/scheduler/spec_law.hpp"

#include <cmath>
#include <cstdint>

#include "check.hpp"
#include "kvsim/theory/speculation.hpp"

namespace {

using namespace kvsim;

SchedulerConfig with(Acceptance law, std::int64_t drafts, std::uint64_t seed = 1) {
  SchedulerConfig c;
  c.drafts = drafts;
  c.acceptance = std::move(law);
  c.run_seed = seed;
  return c;
}

// Tokens a pass over a long output of one request after another, as a scheduler walks it.
struct Walk {
  double mean = 0, half = 0;
};
Walk walk(SpecLaw& law, std::int32_t drafts, std::uint32_t requests, std::int64_t outputs) {
  double sum = 0, squares = 0, passes = 0;
  for (std::uint32_t r = 0; r < requests; ++r) {
    for (std::int64_t at = 1; at < outputs;) {
      const std::int32_t made = law.accepted(r, r, at, drafts) + 1;
      sum += made;
      squares += static_cast<double>(made) * made;
      ++passes;
      at += made;
    }
  }
  const double mean = sum / passes;
  const double variance = squares / passes - mean * mean;
  return {mean, 4 * std::sqrt(variance / passes)};
}

TEST(spec_law, constant_acceptance_makes_leviathans_number_of_tokens) {
  for (const double alpha : {0.0, 0.3, 0.75, 1.0}) {
    for (const std::int32_t drafts : {1, 3, 7}) {
      SpecLaw law(with(ConstantAcceptance{alpha}, drafts));
      const Walk found = walk(law, drafts, 20, 2000);
      CHECK_NEAR(found.mean, theory::tokens_per_pass(alpha, drafts), found.half + 1e-12);
    }
  }
}

TEST(spec_law, places_have_probabilities_of_their_own) {
  const std::vector<double> alphas{0.9, 0.5, 0.1};
  SpecLaw law(with(AcceptanceByPosition{alphas}, 3));
  const Walk found = walk(law, 3, 20, 4000);
  CHECK_NEAR(found.mean, theory::tokens_per_pass(alphas), found.half);
}

TEST(spec_law, requests_differ_as_the_beta_law_says) {
  const double mean = 0.6;
  const double sd = 0.15;
  SpecLaw law(with(BetaAcceptance{mean, sd}, 1));
  double sum = 0, squares = 0;
  const int requests = 3000;
  const std::int64_t trials = 400;
  for (std::uint32_t r = 0; r < requests; ++r) {
    double accepted = 0;
    for (std::int64_t at = 0; at < trials; ++at) accepted += law.accepted(r, r, at, 1);
    const double share = accepted / static_cast<double>(trials);
    sum += share;
    squares += share * share;
  }
  const double found = sum / requests;
  const double variance = squares / requests - found * found;
  CHECK_NEAR(found, mean, 4 * sd / std::sqrt(requests));
  // The law's variance and that of counting; its own error is about 2.6 %.
  const double counting = (mean * (1 - mean) - sd * sd) / static_cast<double>(trials);
  CHECK_NEAR(variance, sd * sd + counting, 0.1 * sd * sd);
  SpecLaw alike(with(BetaAcceptance{mean, 0}, 3));
  SpecLaw constant(with(ConstantAcceptance{mean}, 3));
  for (std::uint32_t r = 0; r < 200; ++r) {
    CHECK_EQ(alike.accepted(r, r, 7, 3), constant.accepted(r, r, 7, 3));
  }
}

TEST(spec_law, a_tokens_luck_does_not_depend_on_the_pass_that_drafts_it) {
  SpecLaw law(with(ConstantAcceptance{0.5}, 8));
  for (std::uint32_t r = 0; r < 100; ++r) {
    // The drafts of tokens 10 ... 13 in one pass, or each as the first of its own.
    const std::int32_t together = law.accepted(r, r, 10, 4);
    std::int32_t apart = 0;
    while (apart < 4 && law.accepted(r, r, 10 + apart, 1) == 1) ++apart;
    CHECK_EQ(together, apart);
  }
}

TEST(spec_law, ngram_finds_a_match_as_often_as_it_is_told) {
  SchedulerConfig c = with(ConstantAcceptance{0.5}, 4);
  c.spec_ngram = true;
  c.spec_match_probability = 0.3;
  const SpecLaw law(c);
  int found = 0;
  for (std::int64_t at = 0; at < 10'000; ++at) {
    const std::int32_t n = law.proposed(0, 0, at);
    CHECK(n == 0 || n == 4);
    found += n == 4 ? 1 : 0;
  }
  CHECK_NEAR(found / 10'000.0, 0.3, 4 * std::sqrt(0.3 * 0.7 / 10'000));
}

}  // namespace
