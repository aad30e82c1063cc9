#include "kvsim/server/draft.hpp"

#include <utility>

#include "kvsim/core/error.hpp"
#include "kvsim/step_time/shard.hpp"

namespace kvsim {

std::optional<ModelSpec> draft_model(const EngineSpec& engine, const Catalog& catalog,
                                     const ModelSpec* target) {
  if (!engine.spec_draft) return std::nullopt;
  const DraftSpec& d = *engine.spec_draft;
  if (d.model) return catalog.model(*d.model, "engine.spec_draft.model");
  if (engine.spec_method != SpecMethod::mtp || target == nullptr) return std::nullopt;
  ModelSpec head = *target;
  head.name = "the MTP head of " + target->name;
  head.layers = d.mtp_layers;
  return head;
}

DraftMemory draft_memory(const EngineSpec& engine, const ModelSpec* draft,
                         std::int64_t tensor_parallel_size) {
  if (draft == nullptr) return {};
  const DraftSpec& d = *engine.spec_draft;
  const std::int64_t gpus = d.tensor_parallel_size.value_or(tensor_parallel_size);
  if (gpus > tensor_parallel_size) {
    bad_field("engine.spec_draft.tensor_parallel_size", std::to_string(gpus),
              "1 to tensor_parallel_size = " + std::to_string(tensor_parallel_size));
  }
  check_tensor_parallel(*draft, gpus, "engine.spec_draft.tensor_parallel_size");
  DraftMemory m;
  m.name = draft->name;
  m.weight_bytes = weight_bytes(*draft, ModelShard(*draft, gpus), d.weight_dtype, 1,
                                engine.spec_method != SpecMethod::mtp);
  m.kv_bytes_per_token = ModelShard::kv_bytes_per_token(*draft, gpus, d.kv_cache_dtype);
  return m;
}

std::shared_ptr<const StepTimeModel> draft_step_time(const EngineSpec& engine,
                                                     const ModelSpec* draft,
                                                     StepTimeContext context,
                                                     std::vector<std::string>& warnings) {
  if (!engine.spec_method) return nullptr;
  if (!engine.spec_draft) {
    if (!std::holds_alternative<HashAcceptance>(engine.spec_acceptance) &&
        engine.spec_method != SpecMethod::ngram) {
      warnings.emplace_back(
          "engine.spec_draft: null, so drafting takes neither time nor memory; name what drafts");
    }
    return nullptr;
  }
  const DraftSpec& d = *engine.spec_draft;
  context.model = draft;
  context.tensor_parallel_size = d.tensor_parallel_size.value_or(context.tensor_parallel_size);
  context.weight_dtype = d.weight_dtype;
  context.kv_cache_dtype = d.kv_cache_dtype;
  StepTimeSpec spec = d.step_time;
  if (auto* kernels = std::get_if<Kernels>(&spec)) {
    // The engine's loop runs once a step, whose host time is the target's.
    if (!kernels->host_us) kernels->host_us = 0;
    if (!kernels->host_us_per_seq) kernels->host_us_per_seq = 0;
  }
  auto model = std::make_shared<const StepTimeModel>(make_step_time(spec, context));
  for (const std::string& w : step_time_warnings(*model)) warnings.push_back("draft: " + w);
  return model;
}

}  // namespace kvsim
