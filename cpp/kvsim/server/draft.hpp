// What drafting takes: memory beside the model's, and time in every step.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kvsim/scenario/catalog.hpp"
#include "kvsim/scenario/scenario.hpp"
#include "kvsim/scheduler/state.hpp"
#include "kvsim/server/kv_budget.hpp"
#include "kvsim/step_time/context.hpp"
#include "kvsim/step_time/models.hpp"

namespace kvsim {

// The model that drafts, if any: a model of its own, or with mtp layers like the target's.
[[nodiscard]] std::optional<ModelSpec> draft_model(const EngineSpec& engine, const Catalog& catalog,
                                                   const ModelSpec* target);

// Its weights and KV a GPU; nothing without a model.
[[nodiscard]] DraftMemory draft_memory(const EngineSpec& engine, const ModelSpec* draft,
                                       std::int64_t tensor_parallel_size);

// The model of its step times; null if drafting takes no time. `context` is the target's.
[[nodiscard]] std::shared_ptr<const StepTimeModel> draft_step_time(
    const EngineSpec& engine, const ModelSpec* draft, StepTimeContext context,
    std::vector<std::string>& warnings);

// The time that drafting adds to a planned step, whose entries' C has advanced. A model drafts one
// token after the other: it first runs over what the step has computed, which also fills its own
// KV, and then k - 1 times over one token of each request that samples, every context a token
// longer. An n-gram search runs once.
template <class Pool>
[[nodiscard]] Terms draft_terms(const SchedulerState<Pool>& state, const StepShape& shape) {
  if (shape.sampled == 0 && state.cfg.spec_ngram) return {};
  StepShape next;
  for (const Entry& e : state.plan) {
    const Seq& q = state.seqs[e.id];
    if (q.computed < q.known) continue;
    ++next.decode_seqs;
    next.decode_context += q.computed;
  }
  next.decode_tokens = next.sampled = next.decode_seqs;
  return std::visit(
      [&](const auto& model) {
        if (state.cfg.spec_ngram) return model.step(next);
        Terms terms = model.step(shape);
        for (std::int64_t pass = 1; pass < state.cfg.drafts && next.decode_seqs > 0; ++pass) {
          next.decode_context += next.decode_seqs;
          terms += model.step(next);
        }
        return terms;
      },
      *state.cfg.draft_time);
}

}  // namespace kvsim
