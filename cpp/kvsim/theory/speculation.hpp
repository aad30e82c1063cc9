// Closed forms of speculative decoding (Leviathan, Kalman and Matias, Fast inference from
// transformers via speculative decoding, ICML 2023). A pass verifies `drafts` drafted tokens, each
// accepted with probability `acceptance` if all before it were; the first that is not is replaced,
// or a further one is sampled, so a pass makes at least one token.
#pragma once

#include <cstdint>
#include <span>

namespace kvsim::theory {

// (1 - a^(g + 1)) / (1 - a), theorem 3.1; g + 1 at a = 1.
[[nodiscard]] double tokens_per_pass(double acceptance, std::int64_t drafts);

// The same where the draft at place i is accepted with probability a_i: 1 + a_1 + a_1 a_2 + ...
[[nodiscard]] double tokens_per_pass(std::span<const double> acceptance);

// Over decoding one token a pass: (1 - a^(g + 1)) / ((1 - a) (g c + 1)), theorem 3.8. `draft_cost`
// is the time of one draft step over that of a pass of the target, which is taken not to depend on
// how many tokens it verifies.
[[nodiscard]] double speculation_speedup(double acceptance, std::int64_t drafts, double draft_cost);

// The number of drafts, 0 up to `most`, with the greatest speed-up; of equals the least.
[[nodiscard]] std::int64_t best_drafts(double acceptance, double draft_cost, std::int64_t most);

}  // namespace kvsim::theory
