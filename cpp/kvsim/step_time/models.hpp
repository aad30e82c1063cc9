// The list of step-time models. A new one is a file with its parameters and its class, and a line
// in each of the two lists here. A model has step(shape) and decode(seqs), a functor from the sum of
// contexts to the terms of a step of `seqs` plain decodes, equal to step() of that shape.
#pragma once

#include <variant>

#include "kvsim/step_time/affine.hpp"
#include "kvsim/step_time/polynomial.hpp"
#include "kvsim/step_time/roofline.hpp"

namespace kvsim {

using StepTimeSpec = std::variant<Roofline, Affine, Polynomial>;
using StepTimeModel = std::variant<RooflineTime, AffineTime, PolynomialTime>;

StepTimeModel make_step_time(const StepTimeSpec& spec, const StepTimeContext& context);

}  // namespace kvsim
