// Whole runs of committed scenarios (bench/scenarios): requests, simulation and summary.

#include <functional>
#include <memory>
#include <string>

#include "inputs.hpp"
#include "workload.hpp"

namespace {

using kvsim::Mode;
using kvsim_bench::Run;

std::function<double()> simulate(const std::shared_ptr<Run>& run) {
  return [run] {
    return static_cast<double>(kvsim::simulate(run->scenario, run->inputs()).totals.steps);
  };
}

// With the lengths of the Azure trace.
std::function<double()> azure(const std::string& scenario, Mode mode, bool async = false) {
  auto run = std::make_shared<Run>(scenario);
  run->scenario.mode = mode;
  if (async) run->scenario.engine.async_scheduling = true;
  run->datasets["azure-2023-conversation"] = kvsim_bench::azure_conversation();
  return simulate(run);
}

std::function<double()> decode_heavy(bool async) {
  auto run = std::make_shared<Run>("decode_heavy");
  if (async) run->scenario.engine.async_scheduling = true;
  return simulate(run);
}

// Enough of the trace for the cache to evict, and little enough to be counted in a minute.
std::function<double()> mooncake() {
  constexpr int rows = 2000;
  auto run = std::make_shared<Run>("mooncake_conversation");
  run->scenario.engine.num_gpu_blocks = 30'000;
  run->datasets["mooncake-conversation"] = kvsim_bench::mooncake_conversation(rows);
  return simulate(run);
}

}  // namespace

int main(int argc, char** argv) {
  return kvsim_bench::workload_main(
      argc, argv,
      {
          {"azure_leap", [] { return azure("azure_below_knee", Mode::leap); }},
          {"azure_step", [] { return azure("azure_below_knee", Mode::step); }},
          {"azure_preempt", [] { return azure("azure_beyond_knee", Mode::leap); }},
          {"azure_async", [] { return azure("azure_below_knee", Mode::leap, true); }},
          {"azure_kernels", [] { return azure("azure_kernels", Mode::leap); }},
          {"azure_kernels_async", [] { return azure("azure_kernels", Mode::leap, true); }},
          {"azure_pipeline", [] { return azure("azure_pipeline", Mode::leap); }},
          {"azure_trace", [] { return azure("azure_trace_polynomial", Mode::leap); }},
          {"fleet_azure", [] { return azure("fleet_azure", Mode::leap); }},
          {"decode_heavy", [] { return decode_heavy(false); }},
          {"decode_heavy_async", [] { return decode_heavy(true); }},
          {"mooncake_2000", mooncake},
      });
}
