// The list of step-time models. A new one is a file with its parameters and its class, and a line
// in each of the two lists here. A model has step(shape) and decode(seqs), a functor from the sum
// of contexts to the terms of a step of `seqs` plain decodes, equal to step() of that shape. It
// tells them in two pieces too (decode_block.hpp): fixed() and what depends on contexts, parts().
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "kvsim/step_time/affine.hpp"
#include "kvsim/step_time/kernels.hpp"
#include "kvsim/step_time/polynomial.hpp"
#include "kvsim/step_time/roofline.hpp"

namespace kvsim {

using StepTimeSpec = std::variant<Kernels, Roofline, Affine, Polynomial>;
using StepTimeModel = std::variant<KernelTime, RooflineTime, AffineTime, PolynomialTime>;

// What decode() of one of the models returns.
template <class Models>
struct DecodesOf;
template <class... Model>
struct DecodesOf<std::variant<Model...>> {
  using type = std::variant<std::monostate, typename Model::Decode...>;
};
using StepTimeDecode = DecodesOf<StepTimeModel>::type;

StepTimeModel make_step_time(const StepTimeSpec& spec, const StepTimeContext& context);

// How long the collectives of a step of so many tokens would take if they filled the bandwidth
// between the two halves of the GPUs that share a layer; 0 where a model has no links.
[[nodiscard]] inline double bisection_ns(const StepTimeModel& model, std::int64_t tokens) {
  return std::visit(
      [tokens](const auto& m) -> double {
        if constexpr (requires { m.bisection_ns(tokens); }) {
          return m.bisection_ns(tokens);
        } else {
          return 0;
        }
      },
      model);
}

// What of a run lies outside of what its step-time model was measured or fitted on.
[[nodiscard]] std::vector<std::string> step_time_warnings(const StepTimeModel& model);

[[nodiscard]] Trust step_time_trust(const StepTimeModel& model);

}  // namespace kvsim
