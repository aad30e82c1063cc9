#include "kvsim/step_time/gpu_checks.hpp"

#include <algorithm>
#include <string>

#include "kvsim/core/error.hpp"
#include "kvsim/step_time/shard.hpp"

namespace kvsim {

namespace {

bool computes_with(const GpuSpec& gpu, WeightDtype dtype) {
  if (peak_flops(gpu, dtype) <= 0) return false;
  if (gpu.dtypes.empty() || dtype == WeightDtype::int4) return true;
  return std::find(gpu.dtypes.begin(), gpu.dtypes.end(), enum_name(dtype)) != gpu.dtypes.end();
}

void check_dtype(const GpuSpec& gpu, WeightDtype dtype) {
  if (computes_with(gpu, dtype)) return;
  std::string allowed;
  std::string_view nearest_name;
  double best = 1e9;
  for (const auto& [value, name] : EnumNames<WeightDtype>::values) {
    if (!computes_with(gpu, value)) continue;
    allowed += (allowed.empty() ? "" : ", ") + std::string(name);
    // Of equal distance in size, the wider: it loses nothing.
    const double size = bytes_per_weight(value) - bytes_per_weight(dtype);
    const double distance = size < 0 ? -size + 0.01 : size;
    if (distance < best) {
      best = distance;
      nearest_name = name;
    }
  }
  bad_field("weight_dtype", quoted(enum_name(dtype)),
            "what gpu " + quoted(gpu.name) + " computes with: " + allowed +
                " (nearest: " + std::string(nearest_name) + ")");
}

}  // namespace

double peak_flops(const GpuSpec& gpu, WeightDtype dtype) {
  if (dtype == WeightDtype::fp8) return gpu.flops_fp8.value_or(0);
  if (dtype == WeightDtype::int8) return gpu.flops_int8.value_or(0);
  return gpu.flops_fp16;
}

void check_model_and_gpu(const StepTimeContext& c, std::string_view kind) {
  const std::string needs = ", which step_time " + quoted(kind) + " needs";
  if (c.model == nullptr) bad_field("model", "null", "a model" + needs);
  if (c.gpu == nullptr) bad_field("gpu", "null", "a GPU" + needs);
  check_tensor_parallel(*c.model, c.tensor_parallel_size);
  check_dtype(*c.gpu, c.weight_dtype);
  if (c.model->layers % c.pipeline_parallel_size != 0) {
    bad_field("pipeline_parallel_size", std::to_string(c.pipeline_parallel_size),
              "a divisor of " + std::to_string(c.model->layers) + ", the layers of " +
                  quoted(c.model->name) + " (step times of unequal stages are not known)");
  }
}

}  // namespace kvsim
