#include "kvsim/step_time/layer_work.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <vector>

#include "kvsim/core/math.hpp"
#include "kvsim/step_time/fitted.hpp"
#include "kvsim/step_time/gpu_checks.hpp"
#include "kvsim/step_time/shard.hpp"
#include "kvsim/step_time/tables.hpp"

namespace kvsim {

namespace {

using fitted::Product;

// Where formulas are evaluated: multiples of the products' tiles.
constexpr double formula_rows[] = {1,   2,    4,    8,    16,   32,   64,   128,
                                   192, 256,  320,  384,  448,  512,  640,  768,
                                   896, 1024, 1536, 2048, 3072, 4096, 8192, 16384};

bool has_8bit_inputs(WeightDtype dtype) { return bytes_per_weight(dtype) == 1.0; }

// One product of a layer, from the table or the formula.
class ProductTime {
 public:
  ProductTime(const Product& p, const GpuSpec& gpu, double flops, const GemmTable* table)
      : product_(p), gpu_(gpu), flops_(flops) {
    if (table != nullptr) times_ = Interpolated(table->m, table->times(p.n, p.k));
  }
  [[nodiscard]] Work operator()(double m) const {
    const double ns = times_.empty() ? fitted::product_ns(product_, m, gpu_, flops_) : times_(m);
    return {ns, std::min(ns, fitted::product_bytes(product_, m) / gpu_.hbm_bytes_per_s * 1e9), 0};
  }

 private:
  Product product_;
  const GpuSpec& gpu_;
  double flops_;
  Interpolated times_;
};

// A layer's products: query-key-value, attention output, and those of the MLP or the router.
std::vector<Product> layer_products(const ModelSpec& model, std::int64_t t, WeightDtype dtype) {
  const ModelShard shard(model, t);
  const auto h = static_cast<double>(model.hidden_size);
  const double weight = bytes_per_weight(dtype);
  const double input = has_8bit_inputs(dtype) ? 1 : 2;
  const double attention = shard.heads * static_cast<double>(model.head_dim);
  std::vector<Product> out = {{shard.qkv_width, h, weight, input}, {h, attention, weight, input}};
  if (model.num_experts > 0) {
    out.push_back({static_cast<double>(model.num_experts), h, 2, 2});
  } else {
    out.push_back(
        {static_cast<double>(model.mlp_matrices - 1) * shard.mlp_width, h, weight, input});
    out.push_back({h, shard.mlp_width, weight, input});
  }
  return out;
}

const GemmTable* table_of(const StepTimeContext& c, bool eight_bits) {
  if (c.tables == nullptr) return nullptr;
  return eight_bits ? &c.tables->fp8 : &c.tables->bf16;
}

// Experts, roughly: m tokens touch E (1 - (1 - k/E)^m) of them; the longer of reading their weights
// and of the arithmetic, two launches.
class ExpertTime {
 public:
  explicit ExpertTime(const StepTimeContext& c)
      : experts_(static_cast<double>(c.model->num_experts)),
        routed_(static_cast<double>(c.model->experts_per_token)) {
    const fitted::Gemm& f =
        has_8bit_inputs(c.weight_dtype) ? fitted::gemm_8bit : fitted::gemm_16bit;
    const double params = ModelShard(*c.model, c.tensor_parallel_size).expert_params;
    launch_ns_ = 2 * f.launch_ns;
    weights_ns_ = params * bytes_per_weight(c.weight_dtype) / c.gpu->hbm_bytes_per_s * 1e9;
    efficiency_ = std::min(1.0, f.hbm_efficiency);
    flop_ns_per_token_ =
        2 * params * routed_ /
        (fitted::expert_efficiency * f.flop_efficiency * peak_flops(*c.gpu, c.weight_dtype)) * 1e9;
    every_ = routed_ >= experts_;
    if (!every_) log_idle_ = math::log(1 - routed_ / experts_);
  }
  [[nodiscard]] Work operator()(double m) const {
    const double touched = every_ ? experts_ : experts_ * (1 - math::exp(m * log_idle_));
    const double hbm = weights_ns_ * touched;
    return {std::max(hbm / efficiency_, flop_ns_per_token_ * m) + launch_ns_, hbm, 0};
  }

 private:
  double experts_;
  double routed_;
  double launch_ns_ = 0;
  double weights_ns_ = 0;
  double efficiency_ = 1;
  double flop_ns_per_token_ = 0;
  bool every_ = false;
  double log_idle_ = 0;  // log of the chance that a token leaves an expert idle
};

// Norms, rotary embedding, KV write, activation, quantisation of 8-bit products' inputs.
struct Elementwise {
  double launches_ns = 0;
  double hbm_ns_per_token = 0;
  [[nodiscard]] Work operator()(double m) const {
    const double hbm = hbm_ns_per_token * m;
    return {launches_ns + hbm / fitted::elementwise_efficiency, hbm, 0};
  }
};

Elementwise elementwise(const StepTimeContext& c, TensorParallelForm form) {
  const ModelShard shard(*c.model, c.tensor_parallel_size);
  const bool eight_bits = has_8bit_inputs(c.weight_dtype);
  const double input = eight_bits ? 1 : 2;
  const auto h = static_cast<double>(c.model->hidden_size);
  const auto hd = static_cast<double>(c.model->head_dim);
  const double norms = 2 * h * (6 + input);
  const double rest =
      4 * shard.qkv_width + 8 * shard.kv_heads * hd +
      shard.mlp_width * (2 * static_cast<double>(c.model->mlp_matrices - 1) + input) +
      (eight_bits ? 3 * shard.heads * hd : 0);
  const bool split = form != TensorParallelForm::all_reduce;
  const double bytes = rest + norms / (split ? static_cast<double>(c.tensor_parallel_size) : 1);
  const int launches = 5 + (eight_bits ? 1 : 0) + (c.model->qk_norm ? 1 : 0);
  return {launches * fitted::launch_ns, bytes / c.gpu->hbm_bytes_per_s * 1e9};
}

}  // namespace

double layer_weight_bytes(const StepTimeContext& c) {
  const ModelShard whole(*c.model, 1);
  return (whole.attention_params + whole.mlp_params +
          static_cast<double>(c.model->num_experts) * whole.expert_params) *
         bytes_per_weight(c.weight_dtype);
}

bool table_covers(const StepTimeContext& c, TensorParallelForm form) {
  const std::int64_t t = form == TensorParallelForm::weight_gather ? 1 : c.tensor_parallel_size;
  for (const Product& p : layer_products(*c.model, t, c.weight_dtype)) {
    if (!table_of(c, p.input_bytes == 1)->covers(p.n, p.k)) return false;
  }
  return true;
}

WorkCurve layers_curve(const StepTimeContext& c, const Parallel& parallel, TensorParallelForm form,
                       bool measured) {
  const bool gather = form == TensorParallelForm::weight_gather;
  const auto t = static_cast<double>(c.tensor_parallel_size);
  const auto h = static_cast<double>(c.model->hidden_size);
  // With gathered weights a GPU computes whole layers on its part of the tokens.
  const double rows_per_token = gather ? 1 / t : 1;
  std::vector<ProductTime> products;
  for (const Product& p :
       layer_products(*c.model, gather ? 1 : c.tensor_parallel_size, c.weight_dtype)) {
    const WeightDtype inputs = p.input_bytes == 1 ? c.weight_dtype : WeightDtype::bf16;
    products.emplace_back(p, *c.gpu, peak_flops(*c.gpu, inputs),
                          measured ? table_of(c, p.input_bytes == 1) : nullptr);
  }
  std::optional<ExpertTime> experts;
  if (c.model->num_experts > 0) experts.emplace(c);
  const Elementwise small = elementwise(c, form);
  const double weights = layer_weight_bytes(c);

  std::set<double> knots = {1};
  const auto add_knot = [&knots](double m) {
    if (m >= 1 && m <= 0x1p24) knots.insert(m);
  };
  if (measured) {
    for (const double m : table_of(c, false)->m) add_knot(m / rows_per_token);
    for (const double m : table_of(c, true)->m) add_knot(m / rows_per_token);
  } else {
    for (const double m : formula_rows) add_knot(m / rows_per_token);
  }
  for (const double bytes : parallel.knot_bytes()) add_knot(bytes / (2 * h));

  const auto work = [&](double m) {
    const double rows = std::max(1.0, m * rows_per_token);
    Work layer = small(m);
    for (const ProductTime& product : products) layer += product(rows);
    if (experts) layer += (*experts)(rows);
    layer.comm_ns = parallel.layer_ns(m, h, weights);
    Work all = static_cast<double>(c.model->layers) * layer;
    all.comm_ns += parallel.stages_ns(m, h);
    return all;
  };
  return WorkCurve({knots.begin(), knots.end()}, work);
}

WorkCurve head_curve(const StepTimeContext& c, bool measured) {
  const auto vocab = static_cast<double>(c.model->vocab_size);
  const Product p{vocab / static_cast<double>(c.tensor_parallel_size),
                  static_cast<double>(c.model->hidden_size), 2, 2};
  const GemmTable* table = measured ? table_of(c, false) : nullptr;
  const ProductTime product(p, *c.gpu, c.gpu->flops_fp16, table);
  const double sampler_hbm_ns = 16 * vocab / c.gpu->hbm_bytes_per_s * 1e9;
  const auto work = [&](double m) {
    const double hbm = sampler_hbm_ns * m;
    return product(m) + Work{fitted::sampler_ns + hbm / fitted::elementwise_efficiency, hbm, 0};
  };
  std::vector<double> knots(std::begin(formula_rows), std::end(formula_rows));
  if (table != nullptr) knots = table->m;
  return WorkCurve(std::move(knots), work);
}

}  // namespace kvsim
