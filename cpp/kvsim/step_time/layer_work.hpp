// Work of a model's layers and head as functions of the token count, for KernelTime.
#pragma once

#include "kvsim/step_time/context.hpp"
#include "kvsim/step_time/curve.hpp"
#include "kvsim/step_time/parallel.hpp"

namespace kvsim {

// Products with a measured table where `measured`, else fitted.
[[nodiscard]] WorkCurve layers_curve(const StepTimeContext& context, const Parallel& parallel,
                                     TensorParallelForm form, bool measured);
[[nodiscard]] WorkCurve head_curve(const StepTimeContext& context, bool measured);

// Of a whole layer, all experts included.
[[nodiscard]] double layer_weight_bytes(const StepTimeContext& context);

// Whether the table holds every product of the model's sizes, so that none is extrapolated.
[[nodiscard]] bool table_covers(const StepTimeContext& context, TensorParallelForm form);

}  // namespace kvsim
