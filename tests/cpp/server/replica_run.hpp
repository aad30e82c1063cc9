// Runs a replica on requests made by hand and keeps all that it leaves behind, so that tests can
// compare runs with one another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kvsim/core/error.hpp"
#include "kvsim/core/itl_histogram.hpp"
#include "kvsim/result.hpp"
#include "kvsim/scenario/scenario.hpp"
#include "kvsim/simulate.hpp"
#include "kvsim/step_time/affine.hpp"
#include "kvsim/workload/request_table.hpp"

namespace kvsim_test {

struct ReplicaCase {
  kvsim::EngineSpec engine;  // with num_gpu_blocks and max_model_len
  std::int64_t pipeline_parallel_size = 1;
  kvsim::Affine step_time{.a_ns = 1000, .b_ns_per_token = 10, .c_ns_per_context_token = 0.1};
  kvsim::RequestTable requests;
  // Preemption by swapping, and what is recorded of the memory.
  std::int64_t host_blocks = 0;
  double swap_ns_per_block = 0;
  kvsim::RecordMemory record_memory = kvsim::RecordMemory::none;
  std::optional<kvsim::Affine> draft_time;
  std::uint64_t run_seed = 0;

  // Appends a request and returns its id.
  std::int64_t add(kvsim::Ns arrival_ns, std::int32_t prompt_tokens, std::int32_t output_tokens,
                   std::int32_t priority = 0);
  // All requests share the keys of their first `blocks` blocks (or as many as they have).
  void share_prefix(std::int64_t blocks);
};

// A small engine: 64 sequences, a budget of 512 tokens, blocks of 16, no prefix caching.
ReplicaCase small_case(std::int64_t usable_blocks, std::int64_t max_model_len = 1024);

// What the run knows of a block: its identity, or no more than how many there are (which is enough
// without prefix caching).
enum class Pool { blocks, count };

struct Outcome {
  std::optional<kvsim::ErrorKind> error;
  std::string message;
  kvsim::RunTotals totals;
  kvsim::RequestColumns requests;
  kvsim::StepColumns steps;
  kvsim::EntryColumns entries;
  kvsim::HeatmapColumns heatmap;
  std::vector<kvsim::ItlHistogram::Entry> itl;

  [[nodiscard]] double lazy_share() const {
    return static_cast<double>(totals.lazy_steps) / static_cast<double>(totals.steps);
  }
};

Outcome run_replica(const ReplicaCase& c, Pool pool, kvsim::Mode mode, kvsim::Record record,
                    kvsim::Control control = {});

// The first thing in which two runs of the same requests differ, empty if they agree: request
// columns, waterfall, ITL and totals always, rows of steps and entries if both have them.
// `lazy_steps` says how a run was done and is not compared.
std::string first_difference(const Outcome& a, const Outcome& b);

// The same for the pictures of the memory.
std::string heatmap_difference(const Outcome& a, const Outcome& b);

// The same for what the rules of the scheduler define: rows of steps and entries, and of the
// request columns arrival, first token, finish, outputs, preemptions and cached tokens.
std::string rows_difference(const Outcome& a, const Outcome& b);

// Empty, or which request's waterfall does not add up to its time in the system.
std::string waterfall_gap(const Outcome& outcome);

}  // namespace kvsim_test
