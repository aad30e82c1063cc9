// Reads a recorded case of vLLM's scheduler (tests/golden/sync/README.md): for the tests that
// replay it and the benchmarks that are timed on it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kvsim/scenario/json.hpp"
#include "kvsim/scenario/scenario.hpp"
#include "kvsim/workload/request_table.hpp"

namespace kvsim_test {

struct VllmCase {
  std::string folder;
  kvsim::EngineSpec engine;
  std::int64_t pipeline_parallel_size = 1;
  kvsim::Affine step_time;
  std::shared_ptr<kvsim::Dataset> requests;
};

inline std::string read_text(const std::string& path) {
  const std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// By the program gzip, so that the tests need no library for it.
inline std::string read_gzip(const std::string& path) {
  std::FILE* pipe = popen(("gzip -dc '" + path + "'").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run gzip");
  std::string text;
  std::vector<char> buffer(1 << 16);
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    text.append(buffer.data(), n);
  }
  if (pclose(pipe) != 0) throw std::runtime_error("gzip cannot read " + path);
  return text;
}

inline void read_engine(const kvsim::json::Value& config, VllmCase& out) {
  using kvsim::json::find;
  const auto integer = [&config](const char* key, std::int64_t otherwise) {
    const auto* value = find(config, key);
    return value != nullptr && value->if_int() != nullptr ? *value->if_int() : otherwise;
  };
  const auto real = [&config](const char* key) {
    const auto* value = find(config, key);
    if (value == nullptr) return 0.0;
    if (const std::int64_t* i = value->if_int()) return static_cast<double>(*i);
    return *value->if_double();
  };
  const auto flag = [&config](const char* key) {
    const auto* value = find(config, key);
    return value != nullptr && *value->if_bool();
  };
  const auto word = [&config](const char* key) {
    const auto* value = find(config, key);
    return value != nullptr && value->if_string() != nullptr ? *value->if_string() : std::string();
  };
  kvsim::EngineSpec& e = out.engine;
  e.block_size = integer("block_size", 0);
  e.max_model_len = integer("max_model_len", 0);
  e.num_gpu_blocks = integer("num_gpu_blocks", 0);
  e.max_num_seqs = integer("max_num_seqs", 0);
  const std::int64_t active = integer("max_num_active_seqs", 0);
  if (active > 0) e.max_num_active_seqs = active;
  e.max_num_batched_tokens = integer("max_num_batched_tokens", 0);
  e.enable_prefix_caching = flag("enable_prefix_caching");
  e.enable_chunked_prefill = flag("enable_chunked_prefill");
  e.long_prefill_token_threshold = integer("long_prefill_token_threshold", 0);
  e.long_prefill_token_threshold_adaptive = flag("long_prefill_token_threshold_adaptive");
  e.scheduler_reserve_full_isl = flag("scheduler_reserve_full_isl");
  e.watermark = real("watermark");
  e.prefill_schedule_interval = integer("prefill_schedule_interval", 1);
  e.async_scheduling = flag("async_scheduling");
  e.empty_sleep_ns = integer("empty_sleep_ns", 0);
  if (word("policy") == "priority") e.scheduling_policy = kvsim::SchedulingPolicy::priority;
  if (word("spec_method") == "ngram") e.spec_method = kvsim::SpecMethod::ngram;
  if (word("spec_method") == "draft_model") e.spec_method = kvsim::SpecMethod::draft_model;
  e.num_spec_tokens = integer("num_spec_tokens", 0);
  e.spec_seed = static_cast<std::uint64_t>(integer("spec_seed", 0));
  out.pipeline_parallel_size = integer("pipeline_parallel_size", 1);
  out.step_time = {real("step_ns.a"), real("step_ns.b"), real("step_ns.c")};
}

inline void read_requests(const std::string& text, kvsim::Dataset& out) {
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  const bool stops = line.find("stop_after") != std::string::npos;
  while (std::getline(lines, line)) {
    std::int64_t cells[6] = {};
    std::istringstream row(line);
    std::string cell;
    for (int i = 0; i < 6 && std::getline(row, cell, ','); ++i) cells[i] = std::stoll(cell);
    out.arrival_ns.push_back(cells[1]);
    out.prompt_tokens.push_back(static_cast<std::int32_t>(cells[2]));
    out.output_tokens.push_back(static_cast<std::int32_t>(cells[3]));
    out.priority.push_back(static_cast<std::int32_t>(cells[4]));
    if (stops) out.stop_after.push_back(static_cast<std::int32_t>(cells[5]));
  }
}

inline void read_prompts(const std::string& text, kvsim::Dataset& out) {
  out.token_offset.assign(1, 0);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream row(line);
    for (std::int32_t token = 0; row >> token;) out.token_ids.push_back(token);
    out.token_offset.push_back(static_cast<std::int64_t>(out.token_ids.size()));
  }
}

inline VllmCase read_vllm_case(const std::string& folder) {
  VllmCase out;
  out.folder = folder;
  read_engine(kvsim::json::parse(read_text(folder + "/config.json"), folder), out);
  out.requests = std::make_shared<kvsim::Dataset>();
  read_requests(read_text(folder + "/requests.csv"), *out.requests);
  if (out.engine.enable_prefix_caching) {
    read_prompts(read_gzip(folder + "/prompts.txt.gz"), *out.requests);
  }
  return out;
}

// The workload that plays the case, from a dataset of the name "case".
inline kvsim::Workload vllm_workload(const VllmCase& c) {
  kvsim::Workload workload;
  workload.arrivals = kvsim::TraceArrivals{};
  workload.lengths = kvsim::DatasetLengths{.name = "case"};
  if (c.engine.enable_prefix_caching) workload.prefixes = kvsim::TracePrefixes{};
  return workload;
}

}  // namespace kvsim_test
