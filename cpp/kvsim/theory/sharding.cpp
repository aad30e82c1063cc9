#include "kvsim/theory/sharding.hpp"

#include <string>

#include "kvsim/core/decimal.hpp"
#include "kvsim/core/error.hpp"

namespace kvsim::theory {

namespace {

void need_positive(std::string_view name, double value) {
  if (!(value > 0)) bad_field(name, decimal_text(value), "a number above 0");
}

}  // namespace

Prefill tensor_parallel_prefill(const Sizes& model, double tokens, std::int64_t gpus,
                                double flops_per_gpu, const collectives::Link& link) {
  need_positive("gpus", static_cast<double>(gpus));
  need_positive("flops_per_gpu", flops_per_gpu);
  need_positive("link.bytes_per_s", link.bytes_per_s);
  const auto layers = static_cast<double>(model.layers);
  const double flop = 2 * model.params * tokens + 4 * tokens * tokens * model.hidden * layers;
  return {flop / (flops_per_gpu * static_cast<double>(gpus)) * 1e9,
          2 * layers * collectives::ring_all_reduce_ns(gpus, 2 * tokens * model.hidden, link)};
}

double weight_gather_threshold_tokens(double layer_weight_bytes, double hidden) {
  need_positive("hidden", hidden);
  return collectives::weight_gather_threshold_tokens(layer_weight_bytes, hidden);
}

double bubble_fraction(std::int64_t stages, std::int64_t micro_batches) {
  need_positive("stages", static_cast<double>(stages));
  need_positive("micro_batches", static_cast<double>(micro_batches));
  return static_cast<double>(stages - 1) / static_cast<double>(micro_batches + stages - 1);
}

double all_reduce_bisection_bytes(std::int64_t gpus, double bytes) {
  need_positive("gpus", static_cast<double>(gpus));
  return collectives::ring_all_reduce_bisection_bytes(gpus, bytes);
}

}  // namespace kvsim::theory
