// Models and GPUs as data. The catalogue is JSON (python/kvsim/data/catalog), the same objects may
// stand inline in a scenario.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "kvsim/scenario/field.hpp"

namespace kvsim {

enum class WeightDtype { bf16, fp16, fp8, int8, int4 };
template <>
struct EnumNames<WeightDtype> {
  static constexpr std::string_view name = "WeightDtype";
  static constexpr std::pair<WeightDtype, std::string_view> values[] = {
      {WeightDtype::bf16, "bf16"},
      {WeightDtype::fp16, "fp16"},
      {WeightDtype::fp8, "fp8"},
      {WeightDtype::int8, "int8"},
      {WeightDtype::int4, "int4"}};
};

enum class KvCacheDtype { automatic, bf16, fp16, fp8 };
template <>
struct EnumNames<KvCacheDtype> {
  static constexpr std::string_view name = "KvCacheDtype";
  static constexpr std::pair<KvCacheDtype, std::string_view> values[] = {
      {KvCacheDtype::automatic, "auto"},
      {KvCacheDtype::bf16, "bf16"},
      {KvCacheDtype::fp16, "fp16"},
      {KvCacheDtype::fp8, "fp8"}};
};

struct ModelSpec {
  std::string name = "custom";
  std::int64_t layers = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocab_size = 0;
  bool tied_embeddings = false;
  std::int64_t max_position_embeddings = 0;
  std::int64_t num_experts = 0;
  std::int64_t experts_per_token = 0;
  std::int64_t moe_intermediate_size = 0;
  bool qk_norm = false;
  std::int64_t mlp_matrices = 3;
  std::string source;
  std::string notes;

  static constexpr std::string_view type_name = "ModelSpec";
  static constexpr std::string_view doc = "A decoder-only transformer, as its config.json has it.";
  static constexpr auto fields() {
    return std::tuple{
        field("name", &ModelSpec::name, {.doc = "Name, for reports."}),
        field("layers", &ModelSpec::layers, {.min = 1, .max = 10000, .doc = "Transformer layers."}),
        field("hidden_size", &ModelSpec::hidden_size,
              {.min = 1, .max = 1 << 20, .doc = "Width of the residual stream."}),
        field("intermediate_size", &ModelSpec::intermediate_size,
              {.min = 1, .max = 1 << 22, .doc = "Width of the MLP (of one expert if dense)."}),
        field("heads", &ModelSpec::heads, {.min = 1, .max = 65536, .doc = "Query heads."}),
        field("kv_heads", &ModelSpec::kv_heads,
              {.min = 1, .max = 65536, .doc = "Key and value heads (grouped-query attention)."}),
        field("head_dim", &ModelSpec::head_dim, {.min = 1, .max = 65536, .doc = "Size of a head."}),
        field("vocab_size", &ModelSpec::vocab_size,
              {.min = 1, .max = 1 << 26, .doc = "Entries of the vocabulary."}),
        field("tied_embeddings", &ModelSpec::tied_embeddings,
              {.doc = "Input and output embeddings are one matrix."}),
        field("max_position_embeddings", &ModelSpec::max_position_embeddings,
              {.unit = "tokens", .min = 1, .max = 1 << 30, .doc = "Longest context of the model."}),
        field(
            "num_experts", &ModelSpec::num_experts,
            {.min = 0, .max = 65536, .doc = "Experts of a mixture-of-experts layer, 0 if dense."}),
        field("experts_per_token", &ModelSpec::experts_per_token,
              {.min = 0, .max = 65536, .doc = "Experts that a token is routed to."}),
        field("moe_intermediate_size", &ModelSpec::moe_intermediate_size,
              {.min = 0, .max = 1 << 22, .doc = "Width of one expert's MLP."}),
        field("qk_norm", &ModelSpec::qk_norm, {.doc = "Queries and keys are normalised."}),
        field("mlp_matrices", &ModelSpec::mlp_matrices,
              {.min = 2, .max = 3, .doc = "Matrices of the MLP: 3 gated (SwiGLU), 2 plain."}),
        field("source", &ModelSpec::source, {.doc = "Where the numbers are from."}),
        field("notes", &ModelSpec::notes, {.doc = "What a reader should know of them."})};
  }
  void validate(std::string_view path) const;
};

struct GpuSpec {
  std::string name = "custom";
  double memory_bytes = 0;
  double memory_gb = 0;
  double hbm_bytes_per_s = 0;
  double flops_fp16 = 0;
  std::optional<double> flops_fp8;
  std::optional<double> flops_int8;
  std::int64_t sms = 0;
  std::string link = "pcie";
  double link_bytes_per_s = 0;
  double pcie_bytes_per_s = 0;
  double tdp_w = 0;
  double idle_w = 0;
  std::int64_t node_gpus = 8;
  std::vector<std::string> dtypes;
  std::string source;
  std::string notes;

  static constexpr std::string_view type_name = "GpuSpec";
  static constexpr std::string_view doc = "A GPU, as its data sheet has it (dense rates).";
  static constexpr auto fields() {
    return std::tuple{
        field("name", &GpuSpec::name, {.doc = "Name, for reports."}),
        field("memory_bytes", &GpuSpec::memory_bytes,
              {.unit = "bytes", .min = 1, .max = 1e15, .doc = "Memory visible to the framework."}),
        field("memory_gb", &GpuSpec::memory_gb,
              {.unit = "GB", .min = 0, .max = 1e6, .doc = "Memory on the data sheet."}),
        field("hbm_bytes_per_s", &GpuSpec::hbm_bytes_per_s,
              {.unit = "bytes/s", .min = 1, .max = 1e18, .doc = "Memory bandwidth."}),
        field("flops_fp16", &GpuSpec::flops_fp16,
              {.unit = "FLOP/s", .min = 1, .max = 1e21, .doc = "Dense FP16 and BF16 peak."}),
        field("flops_fp8", &GpuSpec::flops_fp8,
              {.unit = "FLOP/s", .min = 1, .max = 1e21, .doc = "Dense FP8 peak, null if lacking."}),
        field(
            "flops_int8", &GpuSpec::flops_int8,
            {.unit = "FLOP/s", .min = 1, .max = 1e21, .doc = "Dense INT8 peak, null if lacking."}),
        field("sms", &GpuSpec::sms,
              {.min = 1, .max = 65536, .doc = "Streaming multiprocessors or compute units."}),
        field("link", &GpuSpec::link, {.doc = "GPU-to-GPU link: nvlink, xgmi or pcie."}),
        field("link_bytes_per_s", &GpuSpec::link_bytes_per_s,
              {.unit = "bytes/s", .min = 1, .max = 1e15, .doc = "Link bandwidth per direction."}),
        field("pcie_bytes_per_s", &GpuSpec::pcie_bytes_per_s,
              {.unit = "bytes/s", .min = 1, .max = 1e15, .doc = "PCIe bandwidth per direction."}),
        field("tdp_w", &GpuSpec::tdp_w, {.unit = "W", .min = 0, .max = 1e5, .doc = "Board power."}),
        field("idle_w", &GpuSpec::idle_w,
              {.unit = "W", .min = 0, .max = 1e5, .doc = "Idle power."}),
        field("node_gpus", &GpuSpec::node_gpus,
              {.min = 1, .max = 1024, .doc = "GPUs of one node that share the fast link."}),
        field("dtypes", &GpuSpec::dtypes, {.doc = "Weight data types that the GPU computes with."}),
        field("source", &GpuSpec::source, {.doc = "Where the numbers are from."}),
        field("notes", &GpuSpec::notes, {.doc = "What a reader should know of them."})};
  }
  void validate(std::string_view path) const;
};

}  // namespace kvsim
