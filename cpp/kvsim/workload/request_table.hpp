// The requests of a run, as columns. Built once from a Workload, shared between sweep points.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kvsim/core/time.hpp"

namespace kvsim {

// Prefix identities. The key of block j of a request stands for all its tokens up to and including
// block j (SCHEDULER.md 6), so "another request has this key too" holds for a leading run of
// blocks. Those leading keys are `shared` (dense ids 0..num_shared_keys-1); all later keys of a
// request are its own and need no identity beyond (request, block).
struct PrefixKeys {
  std::uint32_t num_shared_keys = 0;
  std::vector<std::int64_t> offset;   // size requests + 1; empty: no request shares anything
  std::vector<std::uint32_t> shared;  // shared[offset[r] + j] = key of block j of request r

  [[nodiscard]] std::int64_t count(std::int64_t r) const {
    return offset.empty()
               ? 0
               : offset[static_cast<std::size_t>(r) + 1] - offset[static_cast<std::size_t>(r)];
  }
  [[nodiscard]] const std::uint32_t* of(std::int64_t r) const {
    return offset.empty() ? nullptr : shared.data() + offset[static_cast<std::size_t>(r)];
  }
};

struct RequestTable {
  std::vector<Ns> arrival_ns;               // not decreasing over the statically known arrivals;
                                            // -1: arrives `delay_ns` after `predecessor` finished
  std::vector<std::int32_t> prompt_tokens;  // >= 1
  std::vector<std::int32_t> output_tokens;  // >= 1: max_tokens, which the simulated output reaches
                                            // unless max_model_len stops it first
  std::vector<std::int32_t> priority;       // empty: all 0
  std::vector<std::int32_t> stop_after;  // empty or 0: none; else the output token that turns out
                                         // to be a stop token, which the scheduler cannot foresee
  std::vector<std::int32_t> successor;   // empty: none; else the request that waits for this
                                         // one's finish, or -1
  std::vector<Ns> delay_ns;              // beside `successor`: think time before request r
  std::vector<std::uint32_t> number;     // empty: its row; else the run's number of the request
  PrefixKeys keys;

  [[nodiscard]] std::uint32_t number_of(std::uint32_t r) const {
    return number.empty() ? r : number[r];
  }

  // Closed loop without fixed successors: the next request in order of id, whoever finishes.
  // Requests 0..closed_loop_concurrency-1 arrive at 0, the others have arrival_ns = -1.
  std::int64_t closed_loop_concurrency = 0;
  Ns closed_loop_think_ns = 0;

  [[nodiscard]] std::int64_t size() const {
    return static_cast<std::int64_t>(prompt_tokens.size());
  }
  // Of those that are known before the run.
  [[nodiscard]] Ns last_arrival() const {
    Ns last = 0;
    for (const Ns t : arrival_ns) last = t > last ? t : last;
    return last;
  }
};

// A trace as named buffers, handed over by the host (Python, WASM).
struct Dataset {
  std::vector<Ns> arrival_ns;  // may be empty: lengths only
  std::vector<std::int32_t> prompt_tokens;
  std::vector<std::int32_t> output_tokens;
  std::vector<std::int32_t> priority;     // may be empty
  std::vector<std::int32_t> stop_after;   // may be empty
  std::vector<std::int64_t> hash_offset;  // CSR of chained prefix-block ids; may be empty
  std::vector<std::int64_t> hash_ids;
  std::int64_t hash_block_tokens = 0;
  std::vector<std::int64_t> token_offset;  // CSR of explicit prompt tokens; may be empty
  std::vector<std::int32_t> token_ids;

  [[nodiscard]] std::int64_t rows() const {
    return static_cast<std::int64_t>(prompt_tokens.size());
  }
};

// Datasets by name; the host owns them.
using Datasets = std::map<std::string, std::shared_ptr<const Dataset>, std::less<>>;

}  // namespace kvsim
