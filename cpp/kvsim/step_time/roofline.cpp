#include "kvsim/step_time/roofline.hpp"

#include <cmath>
#include <string>

#include "kvsim/core/error.hpp"
#include "kvsim/core/math.hpp"
#include "kvsim/step_time/gpu_checks.hpp"
#include "kvsim/step_time/shard.hpp"

namespace kvsim {

namespace {

// Matrix products work on tiles of 64 rows: fewer tokens cost as much arithmetic.
constexpr double tile_rows = 64;
double tiled(double rows) { return tile_rows * std::ceil(rows / tile_rows); }

// Prompt attention runs at (q + c) / (q + c + 680) of its asymptotic rate (fit to the measured
// context-attention kernels of vLLM 0.19 on H100).
constexpr double short_context_tokens = 680;

void check_context(const StepTimeContext& c) {
  check_model_and_gpu(c, Roofline::kind);
  if (c.tensor_parallel_size > c.gpu->node_gpus) {
    bad_field("tensor_parallel_size", std::to_string(c.tensor_parallel_size),
              "1 to " + std::to_string(c.gpu->node_gpus) +
                  ", the GPUs that share a link in a node of " + quoted(c.gpu->name) +
                  " (its node_gpus)");
  }
}

}  // namespace

RooflineTime::RooflineTime(const Roofline& p, const StepTimeContext& context) {
  check_context(context);
  const ModelSpec& model = *context.model;
  const GpuSpec& gpu = *context.gpu;
  const ModelShard shard(model, context.tensor_parallel_size);
  const double t = static_cast<double>(context.tensor_parallel_size);
  const double layers = static_cast<double>(model.layers);
  const double h = static_cast<double>(model.hidden_size);
  const double hd = static_cast<double>(model.head_dim);
  const double vocab = static_cast<double>(model.vocab_size);
  const double weight_bytes = bytes_per_weight(context.weight_dtype);
  const double input_bytes = weight_bytes == 1.0 ? 1.0 : 2.0;  // 4-bit weights meet 16-bit inputs
  const double ns_per_byte = 1e9 / gpu.hbm_bytes_per_s;
  const double efficiency = input_bytes == 1.0 ? p.gemm_efficiency_8bit : p.gemm_efficiency;
  const double ns_per_flop = 1e9 / (efficiency * peak_flops(gpu, context.weight_dtype));

  inverse_hbm_efficiency_ = 1 / p.hbm_efficiency;
  inverse_kv_efficiency_ =
      1 / (context.kv_cache_dtype == KvCacheDtype::fp8 ? p.kv_efficiency_8bit : p.kv_efficiency);

  // Inputs are read in the weights' type, outputs written in 16 bits.
  const double up_width = static_cast<double>(model.mlp_matrices - 1) * shard.mlp_width;
  const double attention_io = (h + shard.heads * hd) * input_bytes + 2 * (shard.qkv_width + h);
  const double mlp_io = (h + shard.mlp_width) * input_bytes + 2 * (up_width + h);
  has_experts_ = model.num_experts > 0;
  const double dense_params = shard.attention_params + shard.mlp_params;
  dense_ = {layers * ns_per_byte * (dense_params * weight_bytes + shard.router_params * 2),
            layers * ns_per_byte * (attention_io + (has_experts_ ? 0 : mlp_io)),
            layers * ns_per_flop * 2 * (dense_params + shard.router_params)};
  if (has_experts_) {
    const double experts = static_cast<double>(model.num_experts);
    const double routed = static_cast<double>(model.experts_per_token);
    experts_ = {layers * ns_per_byte * experts * shard.expert_params * weight_bytes,
                layers * ns_per_byte * routed * mlp_io,
                layers * ns_per_flop / p.moe_efficiency * 2 * routed * shard.expert_params};
    every_expert_ = model.experts_per_token == model.num_experts;
    if (!every_expert_) log_expert_idle_ = math::log(1 - routed / experts);
  }
  head_ = {ns_per_byte * 2 * shard.head_params, ns_per_byte * 2 * (h + vocab / t),
           1e9 / (p.gemm_efficiency * gpu.flops_fp16) * 2 * shard.head_params};
  sampler_hbm_ns_per_seq_ = ns_per_byte * 16 * vocab;  // logits gathered, in 32 bits, read 4 times

  // Traffic of the kernels between the products: two norms with residual, rotary embedding, KV
  // write, activation, quantisation of inputs if they have 8 bits.
  const double small_bytes =
      2 * h * (6 + input_bytes) + 4 * shard.qkv_width + 8 * shard.kv_heads * hd + 2 * up_width +
      shard.mlp_width * input_bytes + (input_bytes == 1.0 ? 3 * shard.heads * hd : 0);
  small_hbm_ns_per_token_ = layers * ns_per_byte * small_bytes;

  layers_overhead_ns_ = layers * p.layer_overhead_us * 1e3;
  prefill_overhead_ns_ = layers * p.prefill_overhead_us * 1e3;
  kv_hbm_ns_per_token_ =
      ns_per_byte *
      ModelShard::kv_bytes_per_token(model, context.tensor_parallel_size, context.kv_cache_dtype);
  // Two products of 2 head_dim operations each.
  attention_ns_per_pair_ =
      layers * 4 * shard.heads * hd * 1e9 / (p.attention_efficiency * gpu.flops_fp16);

  if (context.tensor_parallel_size > 1) {
    // Two ring all-reduces a layer: 2 (t-1) hops, 2 (t-1)/t of the 16-bit activations per link.
    const double reduces = 2 * layers;
    const double hops = 2 * (t - 1);
    comm_ns_ = reduces * (p.allreduce_overhead_us + hops * p.link_latency_us) * 1e3;
    comm_ns_per_token_ =
        reduces * (hops / t) * 2 * h * 1e9 / (p.link_efficiency * gpu.link_bytes_per_s);
  }
  host_ns_ = p.host_overhead_us * 1e3;
  host_ns_per_entry_ = p.host_overhead_us_per_seq * 1e3;
  const bool measured = context.gpu->name == "h100-sxm" && !context.altered_gpu;
  trust_.calibration = measured ? Calibration::fitted : Calibration::spec_sheet;
  if (measured && context.model->num_experts == 0) trust_.residuals = &residuals::roofline;
}

// With uniform routing, m tokens touch E (1 - (1 - k/E)^m) experts.
RooflineTime::Work RooflineTime::experts(double tokens) const {
  const double touched = every_expert_ ? 1.0 : 1.0 - math::exp(tokens * log_expert_idle_);
  return product(experts_, experts_.hbm_ns * touched, tokens, tokens);
}

RooflineTime::Work RooflineTime::chunks(const StepShape& s) const {
  const double hbm = kv_hbm_ns_per_token_ * static_cast<double>(s.chunk_context);
  const double pairs = static_cast<double>(s.chunk_qc) + 0.5 * static_cast<double>(s.chunk_qq) +
                       short_context_tokens * s.chunk_relative;
  return {
      std::max(hbm * inverse_kv_efficiency_, attention_ns_per_pair_ * pairs) + prefill_overhead_ns_,
      hbm};
}

RooflineTime::Decode RooflineTime::affine(std::int64_t tokens, std::int64_t entries,
                                          double queries_per_seq, std::int64_t sampled) const {
  const auto m = static_cast<double>(tokens);
  Work work = product(dense_, dense_.hbm_ns, m, tiled(m));
  if (has_experts_) work += experts(m);
  const double small = small_hbm_ns_per_token_ * m;
  work += {small * inverse_hbm_efficiency_ + layers_overhead_ns_, small};
  if (sampled > 0) {
    const auto n = static_cast<double>(sampled);
    work += product(head_, head_.hbm_ns, n, tiled(n));
    const double sampler = sampler_hbm_ns_per_seq_ * n;
    work += {sampler * inverse_hbm_efficiency_, sampler};
  }
  const Work per_token = {std::max(kv_hbm_ns_per_token_ * inverse_kv_efficiency_,
                                   attention_ns_per_pair_ * queries_per_seq),
                          kv_hbm_ns_per_token_};
  return {term_ns(host_ns_ + host_ns_per_entry_ * static_cast<double>(entries)),
          term_ns(comm_ns_ + comm_ns_per_token_ * m), work, per_token};
}

Terms RooflineTime::step(const StepShape& s) const {
  const double queries = s.decode_seqs == 0 ? 1.0
                                            : static_cast<double>(s.decode_tokens) /
                                                  static_cast<double>(s.decode_seqs);
  Decode decodes = affine(s.tokens(), s.decode_seqs + s.chunks, queries, s.sampled);
  if (s.chunks > 0) decodes.work += chunks(s);
  return decodes(s.decode_context);
}

}  // namespace kvsim
