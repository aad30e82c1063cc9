#include "kvsim/step_time/operators.hpp"

#include "kvsim/core/error.hpp"
#include "kvsim/step_time/fitted.hpp"
#include "kvsim/step_time/gpu_checks.hpp"
#include "kvsim/step_time/parallel.hpp"

namespace kvsim {

namespace {

constexpr double head_size = 128;

double decode_ns(const OperatorSizes& s, const GpuSpec& gpu, double bytes_per_value) {
  const auto& f = fitted::decode_attention;
  const double bytes = 2 * s.a * s.b * s.c * head_size * bytes_per_value;
  return f.launch_ns + f.ns_per_head * s.a * s.b +
         1e9 * bytes / fitted::decode_rate(gpu, bytes_per_value);
}

double context_ns(const OperatorSizes& s, const GpuSpec& gpu) {
  const auto& f = fitted::context_attention;
  const double flop = 4 * s.a * s.b * head_size * s.c * s.c / 2;
  return f.launch_ns + flop * fitted::context_ns_per_flop(gpu) * (1 + f.short_tokens / s.c);
}

double all_reduce_ns(const OperatorSizes& s, const GpuSpec& gpu) {
  StepTimeContext context;
  context.gpu = &gpu;
  context.tensor_parallel_size = static_cast<std::int64_t>(s.a);
  const Parallel parallel({}, AllReduceKind::fitted, TensorParallelForm::all_reduce, context);
  // A layer of one token whose 16-bit activations have so many bytes has two of them.
  return parallel.layer_ns(1, s.b / 2, 0) / 2;
}

}  // namespace

double fitted_operator_ns(std::string_view name, const OperatorSizes& s, const GpuSpec& gpu) {
  if (name == "product_bf16") return fitted::product_ns({s.b, s.c, 2, 2}, s.a, gpu, gpu.flops_fp16);
  if (name == "product_fp8") {
    return fitted::product_ns({s.b, s.c, 1, 1}, s.a, gpu, peak_flops(gpu, WeightDtype::fp8));
  }
  if (name == "decode_attention") return decode_ns(s, gpu, 2);
  if (name == "decode_attention_fp8") return decode_ns(s, gpu, 1);
  if (name == "context_attention") return context_ns(s, gpu);
  if (name == "all_reduce") return all_reduce_ns(s, gpu);
  bad_field("operator", quoted(name),
            "product_bf16, product_fp8, decode_attention, decode_attention_fp8, context_attention, "
            "all_reduce");
}

}  // namespace kvsim
