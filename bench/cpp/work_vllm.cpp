// The scheduling loop on the inputs that vLLM's own scheduler was timed on (bench/vllm): the
// requests and their prefix keys are built before, nothing but the summary is recorded.

#include <functional>
#include <memory>
#include <string>

#include "inputs.hpp"
#include "kvsim/workload/build.hpp"
#include "workload.hpp"

namespace {

std::function<double()> scheduling(const std::string& name) {
  auto run = std::make_shared<kvsim_bench::Run>(
      kvsim_test::read_vllm_case(kvsim_bench::source + "/bench/vllm/" + name));
  run->scenario.record = kvsim::Record::summary;
  run->scenario.record_waterfall = false;
  const kvsim::EngineSpec& engine = run->scenario.engine;
  const auto requests = std::make_shared<const kvsim::RequestTable>(
      kvsim::build_requests(run->scenario.workload, run->datasets, engine.block_size,
                            run->scenario.seed, engine.enable_prefix_caching));
  return [run, requests] {
    return static_cast<double>(
        kvsim::simulate(run->scenario, run->inputs(), *requests).totals.entries);
  };
}

}  // namespace

int main(int argc, char** argv) {
  return kvsim_bench::workload_main(argc, argv,
                                    {
                                        {"b1_mid", [] { return scheduling("b1_mid"); }},
                                        {"b2_prefix", [] { return scheduling("b2_prefix"); }},
                                        {"b3_preempt", [] { return scheduling("b3_preempt"); }},
                                    });
}
