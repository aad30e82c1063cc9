// What a GPU computes with, and errors about what it does not.
#pragma once

#include <cstdint>
#include <string_view>

#include "kvsim/scenario/catalog_types.hpp"
#include "kvsim/step_time/context.hpp"

namespace kvsim {

// Peak of the arithmetic that products of such weights use; 0 if the GPU has none. 4-bit weights
// are unpacked to 16 bits.
[[nodiscard]] double peak_flops(const GpuSpec& gpu, WeightDtype dtype);

// Fails with ErrorKind::config: model and GPU must be there, the model must divide over the GPUs,
// the GPU must compute with the data type (else the nearest that it has is named).
void check_model_and_gpu(const StepTimeContext& context, std::string_view kind);

}  // namespace kvsim
