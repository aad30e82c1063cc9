// What a step consists of (its shape) and how its duration splits (its terms).
#pragma once

#include <cstdint>

#include "kvsim/core/time.hpp"

namespace kvsim {

// Rounds a term of a step once, half to even. No term may last 26 days, so that a mistaken unit is
// an error instead of a clock that overflows.
inline Ns term_ns(double ns) {
  if (!(ns <= 0x1p51)) [[unlikely]] {
    bad_field("step_time", ns != ns ? "a step that lasts NaN" : "a step that lasts 2^51 ns or more",
              "parameters that give steps below 26 days");
  }
  return round_half_even(ns);
}

// A step's duration is the exact integer sum of its terms (design: waterfall). Each term is rounded
// once, half to even.
struct Terms {
  Ns host_ns = 0;
  Ns compute_ns = 0;
  Ns hbm_ns = 0;
  Ns comm_ns = 0;

  [[nodiscard]] Ns total() const { return host_ns + compute_ns + hbm_ns + comm_ns; }
  Terms& operator+=(const Terms& o) {
    host_ns += o.host_ns;
    compute_ns += o.compute_ns;
    hbm_ns += o.hbm_ns;
    comm_ns += o.comm_ns;
    return *this;
  }
  friend Terms operator-(Terms a, const Terms& b) {
    a.host_ns -= b.host_ns;
    a.compute_ns -= b.compute_ns;
    a.hbm_ns -= b.hbm_ns;
    a.comm_ns -= b.comm_ns;
    return a;
  }
  friend bool operator==(const Terms&, const Terms&) = default;
};

// What of a step of decodes depends on their contexts, in ns before it is rounded.
struct DecodeParts {
  double compute_ns;
  double hbm_ns;
};

// `fixed` and what depends on contexts, rounded.
inline Terms decode_terms(Terms fixed, const DecodeParts& parts) {
  fixed.compute_ns += term_ns(parts.compute_ns);
  fixed.hbm_ns += term_ns(parts.hbm_ns);
  return fixed;
}

// An entry is a decode if exactly one known token is still to be computed (T - C = 1 before the
// step; its drafts come on top), else a chunk. q = new tokens of a chunk, c = tokens already there.
struct StepShape {
  std::int64_t decode_seqs = 0;
  std::int64_t decode_tokens = 0;   // = decode_seqs without speculation
  std::int64_t decode_context = 0;  // sum of computed-before + scheduled
  std::int64_t chunks = 0;
  std::int64_t chunk_tokens = 0;    // sum q
  std::int64_t chunk_context = 0;   // sum q + c
  std::int64_t chunk_qc = 0;        // sum q c
  std::int64_t chunk_qq = 0;        // sum q^2
  double chunk_relative = 0;        // sum (q c + q^2 / 2) / (q + c), in scheduling order
  std::int64_t prompt_seqs = 0;     // entries with prompt tokens to compute
  std::int64_t prompt_before = 0;   // sum over them of computed before
  std::int64_t prompt_after = 0;    // sum over them of min(prompt, computed after)
  std::int64_t prompt_context = 0;  // sum over them of computed after
  std::int64_t sampled = 0;         // sequences that sample a token

  [[nodiscard]] std::int64_t tokens() const { return decode_tokens + chunk_tokens; }
  [[nodiscard]] std::int64_t context() const { return decode_context + chunk_context; }

  void add_chunk(std::int64_t q, std::int64_t c) {
    ++chunks;
    chunk_tokens += q;
    chunk_context += q + c;
    chunk_qc += q * c;
    chunk_qq += q * q;
    chunk_relative += (static_cast<double>(q) * static_cast<double>(c) +
                       0.5 * static_cast<double>(q) * static_cast<double>(q)) /
                      static_cast<double>(q + c);
  }
  void add_prompt(std::int64_t computed_before, std::int64_t computed_after, std::int64_t prompt) {
    ++prompt_seqs;
    prompt_before += computed_before;
    prompt_after += computed_after < prompt ? computed_after : prompt;
    prompt_context += computed_after;
  }
};

}  // namespace kvsim
