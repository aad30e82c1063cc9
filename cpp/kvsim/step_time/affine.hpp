// Step time a + b * tokens + c * context, the law of the golden traces.
#pragma once

#include <string_view>
#include <tuple>

#include "kvsim/core/time.hpp"
#include "kvsim/scenario/field.hpp"
#include "kvsim/step_time/context.hpp"
#include "kvsim/step_time/terms.hpp"

namespace kvsim {

struct Affine {
  double a_ns = 5e6;
  double b_ns_per_token = 20e3;
  double c_ns_per_context_token = 20.0;

  static constexpr std::string_view kind = "affine";
  static constexpr std::string_view type_name = "Affine";
  static constexpr std::string_view doc =
      "a + b * scheduled tokens + c * attended tokens; a is host time, b compute, c HBM.";
  static constexpr auto fields() {
    return std::tuple{
        field("a_ns", &Affine::a_ns, {.unit = "ns", .min = 0, .max = 1e15, .doc = "Fixed time."}),
        field("b_ns_per_token", &Affine::b_ns_per_token,
              {.unit = "ns", .min = 0, .max = 1e12, .doc = "Time a scheduled token."}),
        field("c_ns_per_context_token", &Affine::c_ns_per_context_token,
              {.unit = "ns",
               .min = 0,
               .max = 1e9,
               .doc = "Time a token of context (computed before plus scheduled)."})};
  }
};

class AffineTime {
 public:
  AffineTime(const Affine& p, const StepTimeContext&) : p_(p), host_ns_(term_ns(p.a_ns)) {}

  struct Decode {
    Ns host_ns;
    Ns compute_ns;
    double c;
    [[nodiscard]] Terms fixed() const { return {host_ns, compute_ns, 0, 0}; }
    [[nodiscard]] DecodeParts parts(double context) const { return {0, c * context}; }
    Terms operator()(std::int64_t context) const {
      return decode_terms(fixed(), parts(static_cast<double>(context)));
    }
  };
  [[nodiscard]] Decode decode(std::int64_t seqs) const {
    return {host_ns_, term_ns(p_.b_ns_per_token * static_cast<double>(seqs)),
            p_.c_ns_per_context_token};
  }
  [[nodiscard]] Terms step(const StepShape& s) const { return decode(s.tokens())(s.context()); }

 private:
  Affine p_;
  Ns host_ns_;
};

}  // namespace kvsim
