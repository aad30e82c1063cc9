#include "server/laws.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace kvsim_test {
namespace {

std::string at_request(const char* law, std::size_t r) {
  return std::string(law) + ", request " + std::to_string(r);
}
std::string at_step(const char* law, std::size_t step) {
  return std::string(law) + ", step " + std::to_string(step);
}

std::int64_t outputs_asked(const ReplicaCase& c, std::size_t r) {
  std::int64_t outputs = c.requests.output_tokens[r];
  if (!c.requests.stop_after.empty() && c.requests.stop_after[r] > 0) {
    outputs = std::min<std::int64_t>(outputs, c.requests.stop_after[r]);
  }
  return std::min(outputs, *c.engine.max_model_len - c.requests.prompt_tokens[r]);
}

std::string broken_by_requests(const ReplicaCase& c, const Outcome& run) {
  const kvsim::RequestColumns& q = run.requests;
  std::int64_t outputs = 0;
  for (std::size_t r = 0; r < q.finish_ns.size(); ++r) {
    if (q.outcome.empty() || q.outcome[r] == 0) {
      if (q.output_tokens[r] != outputs_asked(c, r)) return at_request("tokens out", r);
      outputs += q.output_tokens[r];
    } else if (q.output_tokens[r] >= outputs_asked(c, r)) {
      return at_request("who is rejected has not finished", r);
    }
    const bool in_order = q.arrival_ns[r] <= q.scheduled_ns[r] &&
                          q.scheduled_ns[r] <= q.first_token_ns[r] &&
                          q.first_token_ns[r] <= q.finish_ns[r];
    if (!in_order) return at_request("cause before effect", r);
    if (q.cached_tokens[r] >= c.requests.prompt_tokens[r]) {
      return at_request("a prompt's last token is always computed", r);
    }
  }
  if (run.totals.completed + run.totals.rejected != c.requests.size())
    return "requests are conserved";
  if (run.totals.output_tokens != outputs) return "output tokens are counted";
  return "";
}

std::string broken_by_steps(const ReplicaCase& c, const Outcome& run) {
  const kvsim::StepColumns& s = run.steps;
  const std::int64_t usable = *c.engine.num_gpu_blocks - 1;
  const std::int64_t slots = c.engine.max_num_active_seqs.value_or(c.engine.max_num_seqs);
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < s.t_ns.size(); ++i) {
    if (i > 0 && s.t_ns[i] < s.t_ns[i - 1]) return at_step("the clock runs forward", i);
    if (s.dur_ns[i] != s.host_ns[i] + s.compute_ns[i] + s.hbm_ns[i] + s.comm_ns[i]) {
      return at_step("a duration is the sum of its terms", i);
    }
    for (const std::int64_t free : {s.free_blocks_scheduled[i], s.free_blocks_end[i]}) {
      if (free < 0 || free > usable) return at_step("blocks are conserved", i);
    }
    if (s.tokens[i] > c.engine.max_num_batched_tokens) return at_step("the token budget", i);
    if (s.running[i] > slots) return at_step("max_num_seqs", i);
    tokens += s.tokens[i];
  }
  if (s.free_blocks_end.back() != usable) return "all blocks are free at the end";
  if (run.totals.scheduled_tokens != tokens) return "scheduled tokens are counted";
  return "";
}

// One gap for each token after the first; accepted drafts appear together with another token, at
// gaps of 0.
std::string broken_by_gaps(const ReplicaCase& c, const Outcome& run) {
  if (run.totals.rejected > 0) return "";  // theirs are among the gaps, and end before they do
  std::int64_t gaps = 0;
  kvsim::Int128 sum = 0;
  for (const auto& entry : run.itl) {
    gaps += static_cast<std::int64_t>(entry.count);
    sum += kvsim::Int128{entry.value_ns} * static_cast<std::int64_t>(entry.count);
  }
  kvsim::Int128 decoding = 0;
  for (std::size_t r = 0; r < run.requests.finish_ns.size(); ++r) {
    decoding += run.requests.finish_ns[r] - run.requests.first_token_ns[r];
  }
  if (sum != decoding) return "gaps between tokens add up to first token ... finish";
  const std::int64_t wanted = run.totals.output_tokens - c.requests.size();
  return gaps == wanted ? "" : "a gap for each token after the first";
}

}  // namespace

std::string broken_law(const ReplicaCase& c, const Outcome& run) {
  for (const auto& law : {broken_by_requests(c, run), broken_by_steps(c, run),
                          broken_by_gaps(c, run), waterfall_gap(run)}) {
    if (!law.empty()) return law;
  }
  return "";
}

}  // namespace kvsim_test
