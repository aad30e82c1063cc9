#include "kvsim/theory/speculation.hpp"

#include <limits>
#include <string>
#include <string_view>

#include "kvsim/core/decimal.hpp"
#include "kvsim/core/error.hpp"

namespace kvsim::theory {

namespace {

void need_probability(std::string_view name, double value) {
  if (!(value >= 0 && value <= 1)) bad_field(name, decimal_text(value), "0 to 1");
}

void need_drafts(std::int64_t drafts) {
  if (drafts < 0 || drafts > 1'000'000) {
    bad_field("drafts", std::to_string(drafts), "0 to 1,000,000");
  }
}

}  // namespace

double tokens_per_pass(double acceptance, std::int64_t drafts) {
  need_probability("acceptance", acceptance);
  need_drafts(drafts);
  // Summed as it is defined: exact at a = 1, without loss beside it.
  double sum = 1;
  double all_before = 1;
  for (std::int64_t i = 0; i < drafts; ++i) sum += all_before *= acceptance;
  return sum;
}

double tokens_per_pass(std::span<const double> acceptance) {
  double sum = 1;
  double all_before = 1;
  for (const double a : acceptance) {
    need_probability("acceptance", a);
    sum += all_before *= a;
  }
  return sum;
}

double speculation_speedup(double acceptance, std::int64_t drafts, double draft_cost) {
  if (!(draft_cost >= 0 && draft_cost < std::numeric_limits<double>::infinity())) {
    bad_field("draft_cost", decimal_text(draft_cost), "a finite number, 0 or more");
  }
  const double made = tokens_per_pass(acceptance, drafts);
  return made / (static_cast<double>(drafts) * draft_cost + 1);
}

std::int64_t best_drafts(double acceptance, double draft_cost, std::int64_t most) {
  need_drafts(most);
  std::int64_t best = 0;
  double greatest = speculation_speedup(acceptance, 0, draft_cost);
  for (std::int64_t g = 1; g <= most; ++g) {
    const double speedup = speculation_speedup(acceptance, g, draft_cost);
    if (speedup > greatest) {
      greatest = speedup;
      best = g;
    }
  }
  return best;
}

}  // namespace kvsim::theory
