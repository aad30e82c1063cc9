// AISimulate's default law: a polynomial for prompts plus one for decodes, fitted by its authors to
// Qwen3-32B-FP8 on H200. Here so that runs can be compared with that simulator's on identical work.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <tuple>

#include "kvsim/core/time.hpp"
#include "kvsim/scenario/field.hpp"
#include "kvsim/step_time/context.hpp"
#include "kvsim/step_time/terms.hpp"

namespace kvsim {

struct Polynomial {
  double prefill_ms = 16.50142;
  double prefill_ms_per_token = 1.518344e-2;
  double prefill_ms_per_token2 = 4.209989e-7;
  double decode_ms = 5.74;
  double decode_ms_per_use = 54.01;
  double decode_ms_per_use2 = -25.74;
  double decode_min_ms = 1.0;

  static constexpr std::string_view kind = "polynomial";
  static constexpr std::string_view type_name = "Polynomial";
  static constexpr std::string_view doc =
      "Quadratic in the prompt tokens of a step (compute) plus quadratic in the share of the KV "
      "pool "
      "that its decodes attend to (HBM).";
  static constexpr auto fields() {
    using P = Polynomial;
    return std::tuple{
        field("prefill_ms", &P::prefill_ms,
              {.unit = "ms", .min = 0, .max = 1e6, .doc = "Fixed time of a step with prompts."}),
        field("prefill_ms_per_token", &P::prefill_ms_per_token,
              {.unit = "ms", .min = 0, .max = 1e6, .doc = "Time a prompt token."}),
        field("prefill_ms_per_token2", &P::prefill_ms_per_token2,
              {.unit = "ms", .min = 0, .max = 1e3, .doc = "Time a squared prompt token."}),
        field("decode_ms", &P::decode_ms,
              {.unit = "ms", .min = -1e6, .max = 1e6, .doc = "Fixed time of a step with decodes."}),
        field(
            "decode_ms_per_use", &P::decode_ms_per_use,
            {.unit = "ms",
             .min = -1e6,
             .max = 1e6,
             .doc = "Times p, the share of the pool that the decodes' contexts fill (at most 1)."}),
        field("decode_ms_per_use2", &P::decode_ms_per_use2,
              {.unit = "ms", .min = -1e6, .max = 1e6, .doc = "Times p squared."}),
        field("decode_min_ms", &P::decode_min_ms,
              {.unit = "ms", .min = 0, .max = 1e6, .doc = "Least time of a step with decodes."})};
  }
};

class PolynomialTime {
 public:
  PolynomialTime(const Polynomial& p, const StepTimeContext& context)
      : p_(p),
        decode_{p.decode_ms, p.decode_ms_per_use, p.decode_ms_per_use2, p.decode_min_ms,
                static_cast<double>(context.num_gpu_blocks) *
                    static_cast<double>(context.block_size)} {}

  struct Decode {
    double d0, d1, d2, least;
    double capacity_tokens;
    [[nodiscard]] Terms fixed() const { return {}; }
    [[nodiscard]] DecodeParts parts(double context) const {
      const double p = std::min(capacity_tokens, context) / capacity_tokens;
      return {0, std::max(least, d2 * p * p + d1 * p + d0) * 1e6};
    }
    Terms operator()(std::int64_t context) const {
      if (context == 0) return {};
      return decode_terms({}, parts(static_cast<double>(context)));
    }
  };
  [[nodiscard]] Decode decode(std::int64_t /*seqs*/) const { return decode_; }

  // Prompt tokens by the peer's integer arithmetic: means over the c requests, each cut to an
  // integer, times c.
  [[nodiscard]] Terms step(const StepShape& s) const {
    Terms terms = decode_(s.context() - s.prompt_context);
    if (s.prompt_seqs > 0) {
      const std::int64_t c = s.prompt_seqs;
      const auto n = static_cast<double>(c * (s.prompt_after / c - s.prompt_before / c));
      if (n > 0) {
        terms.compute_ns = term_ns(
            (p_.prefill_ms_per_token2 * n * n + p_.prefill_ms_per_token * n + p_.prefill_ms) * 1e6);
      }
    }
    return terms;
  }

 private:
  Polynomial p_;
  Decode decode_;
};

}  // namespace kvsim
