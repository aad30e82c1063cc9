// Inputs of the C++ workloads: the committed scenarios, the packaged catalogue and traces.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>

#include "../../tests/cpp/vllm_case.hpp"
#include "kvsim/scenario/json.hpp"
#include "kvsim/scenario/scenario_json.hpp"
#include "kvsim/simulate.hpp"

namespace kvsim_bench {

inline const std::string source = KVSIM_SOURCE_DIR;

inline std::int64_t integer(std::string_view digits) {
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

// Rows "2023-11-16 18:15:46.6805900,374,44": times within one day, in steps of 100 ns.
inline std::shared_ptr<kvsim::Dataset> azure_conversation() {
  auto out = std::make_shared<kvsim::Dataset>();
  std::istringstream lines(
      kvsim_test::read_gzip(source + "/python/kvsim/data/traces/azure2023_conv.csv.gz"));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const std::string_view row = line;
    const std::int64_t seconds = integer(row.substr(11, 2)) * 3600 +
                                 integer(row.substr(14, 2)) * 60 + integer(row.substr(17, 2));
    const std::size_t comma = row.find(',');
    out->arrival_ns.push_back(seconds * 1'000'000'000 + integer(row.substr(20, 7)) * 100);
    const std::size_t second = row.find(',', comma + 1);
    out->prompt_tokens.push_back(
        static_cast<std::int32_t>(integer(row.substr(comma + 1, second - comma - 1))));
    out->output_tokens.push_back(static_cast<std::int32_t>(integer(row.substr(second + 1))));
  }
  return out;
}

// The first rows of the trace, with their chained hashes of 512 tokens.
inline std::shared_ptr<kvsim::Dataset> mooncake_conversation(int rows) {
  auto out = std::make_shared<kvsim::Dataset>();
  out->hash_block_tokens = 512;
  out->hash_offset.push_back(0);
  std::istringstream lines(
      kvsim_test::read_gzip(source + "/python/kvsim/data/traces/mooncake_conversation.jsonl.gz"));
  std::string line;
  for (int row = 0; row < rows && std::getline(lines, line); ++row) {
    using kvsim::json::get;
    const auto value = kvsim::json::parse(line);
    out->arrival_ns.push_back(*get(value, "timestamp").if_int() * 1'000'000);
    out->prompt_tokens.push_back(static_cast<std::int32_t>(*get(value, "input_length").if_int()));
    out->output_tokens.push_back(static_cast<std::int32_t>(*get(value, "output_length").if_int()));
    for (const auto& id : *get(value, "hash_ids").if_array()) out->hash_ids.push_back(*id.if_int());
    out->hash_offset.push_back(static_cast<std::int64_t>(out->hash_ids.size()));
  }
  return out;
}

// A scenario with all that it refers to.
struct Run {
  kvsim::Scenario scenario;
  kvsim::Catalog catalog;
  kvsim::Datasets datasets;

  explicit Run(const std::string& name) {
    const std::string catalogue = source + "/python/kvsim/data/catalog/";
    catalog.add_models(kvsim_test::read_text(catalogue + "models.json"));
    catalog.add_gpus(kvsim_test::read_text(catalogue + "gpus.json"));
    catalog.add_step_tables(
        kvsim_test::read_text(source + "/python/kvsim/data/step_time/h100-sxm.json"));
    const std::string path = source + "/bench/scenarios/" + name + ".json";
    scenario =
        kvsim::from_json<kvsim::Scenario>(kvsim::json::parse(kvsim_test::read_text(path), path));
  }
  explicit Run(const kvsim_test::VllmCase& recorded) {
    scenario.engine = recorded.engine;
    scenario.pipeline_parallel_size = recorded.pipeline_parallel_size;
    scenario.step_time = recorded.step_time;
    scenario.workload = kvsim_test::vllm_workload(recorded);
    datasets["case"] = recorded.requests;
  }
  [[nodiscard]] kvsim::Inputs inputs() const {
    return {.catalog = &catalog, .datasets = &datasets, .control = {}};
  }
};

}  // namespace kvsim_bench
