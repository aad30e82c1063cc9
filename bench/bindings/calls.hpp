// What both modules bind: a run of ten requests, and a result with a column of a million rows.
#pragma once

#include <cstdint>

#include "kvsim/simulate.hpp"

namespace kvsim_bench {

inline kvsim::Result simulate_tiny(std::int64_t num_requests) {
  kvsim::Scenario scenario;
  scenario.step_time = kvsim::Affine{};
  scenario.engine.num_gpu_blocks = 1000;
  scenario.engine.max_model_len = 4096;
  scenario.workload.lengths = kvsim::FixedLengths{.prompt_tokens = 32, .output_tokens = 4};
  scenario.workload.num_requests = num_requests;
  const kvsim::Catalog catalog;
  const kvsim::Datasets datasets;
  return kvsim::simulate(scenario, {.catalog = &catalog, .datasets = &datasets, .control = {}});
}

inline kvsim::Result with_rows(std::int64_t rows) {
  kvsim::Result result;
  result.requests.finish_ns.resize(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < result.requests.finish_ns.size(); ++i) {
    result.requests.finish_ns[i] = static_cast<kvsim::Ns>(i);
  }
  return result;
}

}  // namespace kvsim_bench
