// Engines as they are deployed. The plain defaults of EngineSpec are those of the scheduler's
// rules.
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kvsim/scenario/scenario.hpp"

namespace kvsim {

namespace {

struct Preset {
  std::string_view name;
  bool async_scheduling;
  std::int64_t max_num_seqs;
  std::int64_t max_num_batched_tokens;
  double gpu_memory_utilization;
};

// Defaults of vLLM's OpenAI server: max_num_seqs and the token budget from
// EngineArgs.get_batch_defaults, which asks for 70 GiB or more and no A100; the others ("-small")
// get less. gpu_memory_utilization from vllm/config/cache.py.
constexpr Preset presets[] = {{"vllm-0.33", true, 1024, 8192, 0.92},
                              {"vllm-0.33-small", true, 256, 2048, 0.92},
                              {"vllm-0.12", false, 1024, 8192, 0.9},
                              {"vllm-0.12-small", false, 256, 2048, 0.9}};

// Assumed, not measured: HTTP, tokeniser, a hop between processes.
constexpr double assumed_frontend_ms = 5;
constexpr double assumed_frontend_us_per_prompt_token = 2;

}  // namespace

std::vector<std::string> EngineSpec::preset_names() {
  std::vector<std::string> names;
  for (const Preset& p : presets) names.emplace_back(p.name);
  return names;
}

std::optional<EngineSpec> EngineSpec::preset(std::string_view name) {
  for (const Preset& p : presets) {
    if (p.name != name) continue;
    EngineSpec engine;
    engine.async_scheduling = p.async_scheduling;
    engine.max_num_seqs = p.max_num_seqs;
    engine.max_num_batched_tokens = p.max_num_batched_tokens;
    engine.gpu_memory_utilization = p.gpu_memory_utilization;
    engine.frontend_ms = assumed_frontend_ms;
    engine.frontend_us_per_prompt_token = assumed_frontend_us_per_prompt_token;
    return engine;
  }
  return std::nullopt;
}

}  // namespace kvsim
