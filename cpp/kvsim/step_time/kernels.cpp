#include "kvsim/step_time/kernels.hpp"

#include <algorithm>
#include <cmath>

#include "kvsim/core/error.hpp"
#include "kvsim/step_time/fitted.hpp"
#include "kvsim/step_time/gpu_checks.hpp"
#include "kvsim/step_time/layer_work.hpp"
#include "kvsim/step_time/shard.hpp"
#include "kvsim/step_time/tables.hpp"

namespace kvsim {

namespace {

// Host time of vLLM that the GPU does not hide, fitted to 45 closed-loop runs with asynchronous
// scheduling (docs/step_time.md). Without it a request costs more (seen on runs of vLLM 0.12).
struct Host {
  double us;
  double us_per_seq;
};
constexpr Host host_with_tables{1200, 25};
constexpr Host host_with_formulas{1100, 35};
constexpr double synchronous_us_per_seq = 22;

// What steps do that do not gather weights.
TensorParallelForm small_form(const Kernels& p) {
  return p.tensor_parallel_form == TensorParallelForm::weight_gather
             ? TensorParallelForm::all_reduce
             : p.tensor_parallel_form;
}

LinkFields links_of(const Kernels& p) {
  return {p.link,
          p.link_gb_per_s,
          p.node_link_gb_per_s,
          p.link_efficiency,
          p.link_latency_us,
          p.node_link_latency_us,
          p.node_gpus};
}

Parallel make_parallel(const Kernels& p, TensorParallelForm form, const StepTimeContext& context) {
  check_model_and_gpu(context, Kernels::kind);
  return Parallel(links_of(p), p.all_reduce, form, context);
}

// Whether layers are shared over links that no all-reduce was measured on.
bool unmeasured_link(const Kernels& p, const StepTimeContext& c) {
  const LinkFields links = links_of(p);
  return c.tensor_parallel_size > 1 &&
         (links.other_link() || c.tensor_parallel_size > links.gpus_of_a_node(*c.gpu));
}

bool has_table(const StepTimeContext& c) {
  return c.tables != nullptr &&
         (c.weight_dtype == WeightDtype::fp8 || bytes_per_weight(c.weight_dtype) == 2.0);
}

bool measured(const Kernels& p, const StepTimeContext& c) {
  check_model_and_gpu(c, Kernels::kind);
  if (p.tables == OperatorTables::fitted) return false;
  if (p.tables == OperatorTables::measured && !has_table(c)) {
    bad_field("step_time.tables", quoted("measured"),
              "auto or fitted for " + std::string(enum_name(c.weight_dtype)) + " on " +
                  quoted(c.gpu->name) +
                  "; measured tables are there for bf16, fp16 and fp8 on "
                  "h100-sxm and h200");
  }
  return has_table(c);
}

bool calibrated(const StepTimeContext& c) {
  return !c.altered_gpu && (c.gpu->name == "h100-sxm" || c.gpu->name == "h200");
}

}  // namespace

KernelTime::KernelTime(const Kernels& p, const StepTimeContext& c)
    : linear_(layers_curve(c, make_parallel(p, small_form(p), c), small_form(p), measured(p, c))),
      head_(head_curve(c, measured(p, c))),
      graph_tokens_(p.cuda_graph_max_tokens) {
  const ModelSpec& model = *c.model;
  const GpuSpec& gpu = *c.gpu;
  const ModelShard shard(model, c.tensor_parallel_size);
  const auto layers = static_cast<double>(model.layers);
  const bool table = measured(p, c);
  set_parallel(p, c);
  const Host host = table ? host_with_tables : host_with_formulas;
  const double synchronous = c.async_scheduling ? 0 : synchronous_us_per_seq;
  // Every stage has a host of its own that prepares its part of the step (assumed).
  const double stage_ns = 1e3 * static_cast<double>(c.pipeline_parallel_size);
  host_ns_ = stage_ns * p.host_us.value_or(host.us);
  host_ns_per_entry_ = stage_ns * p.host_us_per_seq.value_or(host.us_per_seq + synchronous);

  const auto& decode = fitted::decode_attention;
  decode_launch_ns_ = layers * decode.launch_ns;
  decode_ns_per_seq_ = layers * decode.ns_per_head * shard.kv_heads;
  const double rate = fitted::decode_rate(gpu, bytes_per_kv_value(c.kv_cache_dtype));
  const double kv_bytes =
      ModelShard::kv_bytes_per_token(model, c.tensor_parallel_size, c.kv_cache_dtype);
  kv_hbm_ns_per_token_ = kv_bytes / gpu.hbm_bytes_per_s * 1e9;
  kv_kernel_ns_per_token_ = kv_bytes / rate * 1e9;

  chunk_launch_ns_ = layers * fitted::context_attention.launch_ns;
  // Two products of 2 head_dim operations each.
  attention_ns_per_pair_ = layers * 4 * shard.heads * static_cast<double>(model.head_dim) *
                           fitted::context_ns_per_flop(gpu);
  judge(p, c, table);
  warn(p, c);
  warn_of_ranges(c);
}

void KernelTime::judge(const Kernels& p, const StepTimeContext& c, bool table) {
  trust_.calibration = table           ? Calibration::table
                       : calibrated(c) ? Calibration::fitted
                                       : Calibration::spec_sheet;
  const bool unmeasured =
      c.weight_dtype == WeightDtype::int4 || c.weight_dtype == WeightDtype::int8 ||
      (p.tensor_parallel_form != TensorParallelForm::all_reduce && c.tensor_parallel_size > 1) ||
      unmeasured_link(p, c);
  if (unmeasured) return;
  trust_.residuals = c.model->num_experts > 0                    ? &residuals::experts
                     : trust_.calibration == Calibration::table  ? &residuals::table
                     : trust_.calibration == Calibration::fitted ? &residuals::fitted
                                                                 : &residuals::spec_sheet;
}

void KernelTime::set_parallel(const Kernels& p, const StepTimeContext& c) {
  const auto h = static_cast<double>(c.model->hidden_size);
  const double layers = static_cast<double>(c.model->layers);
  const double weights = layer_weight_bytes(c);
  bisection_ns_per_token_ = layers * make_parallel(p, small_form(p), c).bisection_ns(1, h, weights);
  const auto form = p.tensor_parallel_form;
  if (form != TensorParallelForm::weight_gather) {
    if (p.weight_gather_min_tokens) {
      bad_field("step_time.weight_gather_min_tokens", std::to_string(*p.weight_gather_min_tokens),
                "null, since step_time.tensor_parallel_form is " + quoted(enum_name(form)));
    }
    return;
  }
  if (c.tensor_parallel_size == 1) return;
  const Parallel parallel = make_parallel(p, form, c);
  gather_ = layers_curve(c, parallel, form, measured(p, c));
  gather_bisection_ns_ = layers * parallel.bisection_ns(1, h, weights);
  gather_from_ = p.weight_gather_min_tokens
                     ? static_cast<double>(*p.weight_gather_min_tokens)
                     : collectives::weight_gather_threshold_tokens(weights, h);
}

void KernelTime::warn(const Kernels& p, const StepTimeContext& c) {
  const std::string on = " on " + c.gpu->name;
  if (trust_.calibration == Calibration::table && !table_covers(c, p.tensor_parallel_form)) {
    warnings_.push_back("step_time: products of " + c.model->name + " over " +
                        std::to_string(c.tensor_parallel_size) +
                        " GPUs lie outside the measured sizes (128 to 65536)" + on);
  }
  if (trust_.calibration == Calibration::spec_sheet) {
    warnings_.push_back("step_time: " + c.gpu->name +
                        (c.altered_gpu ? ", with other numbers than the catalogue's," : "") +
                        " has no measured kernels; formulas fitted to H100 and H200 are scaled by "
                        "its data sheet");
  }
  if (c.weight_dtype == WeightDtype::int4 || c.weight_dtype == WeightDtype::int8) {
    warnings_.push_back("step_time: no kernels with " + std::string(enum_name(c.weight_dtype)) +
                        " weights were measured; their form is assumed");
  }
  if (c.model->num_experts > 0) {
    warnings_.emplace_back("step_time: mixture of experts is a rough form");
  }
  if (unmeasured_link(p, c)) {
    warnings_.emplace_back(
        "step_time: all-reduces over other links than NVLink within a node were not measured; a "
        "formula fitted to those is scaled by bandwidth and latency");
  }
  if (c.pipeline_parallel_size > 1) {
    warnings_.emplace_back(
        "step_time: no run with pipeline stages was measured; each stage's host time and what "
        "stages send are assumed");
  }
  if (p.tensor_parallel_form != TensorParallelForm::all_reduce && c.tensor_parallel_size > 1) {
    warnings_.push_back("step_time: " + std::string(enum_name(p.tensor_parallel_form)) +
                        " is a model, no engine was measured with it");
    if (p.tensor_parallel_form == TensorParallelForm::weight_gather &&
        gather_from_ > static_cast<double>(c.max_num_batched_tokens)) {
      warnings_.push_back("step_time: weights are gathered in steps of " +
                          std::to_string(static_cast<std::int64_t>(std::ceil(gather_from_))) +
                          " tokens or more, but engine.max_num_batched_tokens is " +
                          std::to_string(c.max_num_batched_tokens) + ": no step gathers them");
    }
  }
}

// Where the operators were measured: tools/fit_step_time.py and build_step_tables.py.
void KernelTime::warn_of_ranges(const StepTimeContext& c) {
  const std::string outside = "step_time: extrapolated, operators were measured ";
  if (c.max_num_batched_tokens > 16384) {
    warnings_.push_back(outside + "up to 16384 tokens a step; the budget is " +
                        std::to_string(c.max_num_batched_tokens));
  }
  if (c.longest_context > 131072) {
    warnings_.push_back(outside + "up to contexts of 131072 tokens; the longest request has " +
                        std::to_string(c.longest_context));
  }
  if (std::min(c.longest_prompt, c.max_num_batched_tokens) > 16384) {
    warnings_.push_back(outside + "up to prompts of 16384 tokens; the longest has " +
                        std::to_string(c.longest_prompt));
  }
  if (c.max_num_seqs > 512 && c.most_requests > 512) {
    warnings_.push_back(outside + "up to 512 decodes a step; max_num_seqs is " +
                        std::to_string(c.max_num_seqs));
  }
  if (c.model->head_dim != 128) {
    warnings_.push_back(outside + "with a head_dim of 128; " + c.model->name + " has " +
                        std::to_string(c.model->head_dim));
  }
  const std::int64_t t = c.tensor_parallel_size;
  if (t != 1 && t != 2 && t != 4 && t != 8) {
    warnings_.push_back(outside +
                        "with all-reduces over 2, 4 and 8 GPUs; tensor_parallel_size is " +
                        std::to_string(t));
  }
}

// vLLM captures graphs of 1, 2, 4, then by 8 to 256, then by 16 tokens.
double KernelTime::padded(std::int64_t tokens) const {
  const std::int64_t by = tokens <= 2 ? 1 : tokens <= 4 ? 4 : tokens <= 256 ? 8 : 16;
  const std::int64_t graph = (tokens + by - 1) & -by;
  return static_cast<double>(graph <= graph_tokens_ ? graph : tokens);
}

KernelTime::Decode KernelTime::affine(std::int64_t tokens, std::int64_t entries,
                                      std::int64_t decode_seqs, double queries_per_seq,
                                      std::int64_t sampled, const Work& chunks) const {
  const double m = padded(tokens);
  Work work = (gathers(m) ? *gather_ : linear_)(m) + chunks;
  if (sampled > 0) work += head_(static_cast<double>(sampled));
  if (decode_seqs > 0) {
    work.kernel_ns += decode_launch_ns_ + decode_ns_per_seq_ * static_cast<double>(decode_seqs);
  }
  // Drafts share a read of the cache; only their arithmetic grows.
  const double per_token =
      std::max(kv_kernel_ns_per_token_, attention_ns_per_pair_ * queries_per_seq);
  return {term_ns(host_ns_ + host_ns_per_entry_ * static_cast<double>(entries)),
          term_ns(work.comm_ns),
          work.kernel_ns - work.hbm_ns,
          work.hbm_ns,
          per_token - kv_hbm_ns_per_token_,
          kv_hbm_ns_per_token_};
}

Terms KernelTime::step(const StepShape& s) const {
  if (s.tokens() == 0) return {};
  Work chunks;
  if (s.chunks > 0) {
    const double pairs = static_cast<double>(s.chunk_qc) + 0.5 * static_cast<double>(s.chunk_qq) +
                         fitted::context_attention.short_tokens * s.chunk_relative;
    chunks.hbm_ns = kv_hbm_ns_per_token_ * static_cast<double>(s.chunk_context);
    chunks.kernel_ns = std::max(kv_kernel_ns_per_token_ * static_cast<double>(s.chunk_context),
                                attention_ns_per_pair_ * pairs) +
                       chunk_launch_ns_;
  }
  const double queries = s.decode_seqs == 0 ? 1.0
                                            : static_cast<double>(s.decode_tokens) /
                                                  static_cast<double>(s.decode_seqs);
  return affine(s.tokens(), s.decode_seqs + s.chunks, s.decode_seqs, queries, s.sampled,
                chunks)(s.decode_context);
}

}  // namespace kvsim
