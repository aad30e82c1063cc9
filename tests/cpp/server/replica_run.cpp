#include "replica_run.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "kvsim/scheduler/config.hpp"
#include "kvsim/server/replicas.hpp"

namespace kvsim_test {
namespace {

using kvsim::Mode;
using kvsim::Record;

template <class Replica>
Outcome run(const ReplicaCase& c, const kvsim::SchedulerConfig& config, Mode mode, Record record,
            kvsim::Control control) {
  const kvsim::StepTimeModel model = kvsim::AffineTime(c.step_time, {});
  Outcome out;
  std::optional<Replica> replica;
  try {
    replica.emplace(config, model, c.requests, mode, record, true, control);
    replica->ledger().keep_first_tokens();
    replica->run();
  } catch (const kvsim::Error& e) {
    out.error = e.kind();
    out.message = e.what();
    if (!replica) return out;
  }
  out.totals = replica->ledger().totals;
  out.requests = replica->ledger().columns;
  out.steps = replica->recorder().steps;
  out.entries = replica->recorder().entries;
  if constexpr (requires { replica->heatmap(); }) out.heatmap = replica->heatmap();
  out.itl = replica->ledger().itl().distinct();
  return out;
}

// Compares columns by name and remembers the first that differ.
class Comparison {
 public:
  template <class T>
  Comparison& column(const char* name, const std::vector<T>& a, const std::vector<T>& b) {
    if (!text_.empty() || a == b) return *this;
    const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    text_ = std::string(name) + "[" + std::to_string(x - a.begin()) + "]: ";
    text_ += (x == a.end() ? "none" : std::to_string(*x)) + " and ";
    text_ += y == b.end() ? "none" : std::to_string(*y);
    return *this;
  }
  Comparison& total(const char* name, kvsim::Int128 a, kvsim::Int128 b) {
    if (text_.empty() && a != b) {
      text_ = std::string(name) + ": apart by " + std::to_string(static_cast<double>(a - b));
    }
    return *this;
  }
  Comparison& same(const char* name, bool equal) {
    if (text_.empty() && !equal) text_ = name;
    return *this;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void compare_requests(Comparison& c, const kvsim::RequestColumns& a,
                      const kvsim::RequestColumns& b) {
  c.column("arrival_ns", a.arrival_ns, b.arrival_ns)
      .column("first_token_ns", a.first_token_ns, b.first_token_ns)
      .column("finish_ns", a.finish_ns, b.finish_ns)
      .column("output_tokens", a.output_tokens, b.output_tokens)
      .column("num_preemptions", a.num_preemptions, b.num_preemptions)
      .column("cached_tokens", a.cached_tokens, b.cached_tokens);
}

void compare_waterfalls(Comparison& c, const kvsim::RequestColumns& a,
                        const kvsim::RequestColumns& b) {
  c.column("scheduled_ns", a.scheduled_ns, b.scheduled_ns)
      .column("host_ns", a.host_ns, b.host_ns)
      .column("compute_ns", a.compute_ns, b.compute_ns)
      .column("hbm_ns", a.hbm_ns, b.hbm_ns)
      .column("comm_ns", a.comm_ns, b.comm_ns)
      .column("preempted_ns", a.preempted_ns, b.preempted_ns)
      .column("redo_ns", a.redo_ns, b.redo_ns)
      .column("bubble_ns", a.bubble_ns, b.bubble_ns)
      .column("ttft_host_ns", a.ttft_host_ns, b.ttft_host_ns)
      .column("ttft_compute_ns", a.ttft_compute_ns, b.ttft_compute_ns)
      .column("ttft_hbm_ns", a.ttft_hbm_ns, b.ttft_hbm_ns)
      .column("ttft_comm_ns", a.ttft_comm_ns, b.ttft_comm_ns)
      .column("ttft_preempted_ns", a.ttft_preempted_ns, b.ttft_preempted_ns)
      .column("ttft_redo_ns", a.ttft_redo_ns, b.ttft_redo_ns)
      .column("ttft_bubble_ns", a.ttft_bubble_ns, b.ttft_bubble_ns);
}

void compare_totals(Comparison& c, const kvsim::RunTotals& a, const kvsim::RunTotals& b) {
  c.total("steps", a.steps, b.steps)
      .total("start_ns", a.start_ns, b.start_ns)
      .total("end_ns", a.end_ns, b.end_ns)
      .total("busy_ns", a.busy_ns, b.busy_ns)
      .same("terms", a.terms == b.terms)
      .total("scheduled_tokens", a.scheduled_tokens, b.scheduled_tokens)
      .total("entries", a.entries, b.entries)
      .total("completed", a.completed, b.completed)
      .total("rejected", a.rejected, b.rejected)
      .total("output_tokens", a.output_tokens, b.output_tokens)
      .total("preemptions", a.preemptions, b.preemptions)
      .total("prefix_query_tokens", a.prefix_query_tokens, b.prefix_query_tokens)
      .total("prefix_hit_tokens", a.prefix_hit_tokens, b.prefix_hit_tokens)
      .total("draft_tokens", a.draft_tokens, b.draft_tokens)
      .total("accepted_tokens", a.accepted_tokens, b.accepted_tokens)
      .total("max_running", a.max_running, b.max_running)
      .total("max_waiting", a.max_waiting, b.max_waiting)
      .total("max_used_blocks", a.max_used_blocks, b.max_used_blocks)
      .total("swaps", a.swaps, b.swaps)
      .total("swaps_refused", a.swaps_refused, b.swaps_refused)
      .total("preemption_waits", a.preemption_waits, b.preemption_waits)
      .total("swapped_blocks", a.swapped_blocks, b.swapped_blocks)
      .total("memory.tokens", a.memory.tokens, b.memory.tokens)
      .total("memory.reserved", a.memory.reserved, b.memory.reserved)
      .total("memory.internal", a.memory.internal, b.memory.internal)
      .total("memory.rounding", a.memory.rounding, b.memory.rounding)
      .total("memory.external", a.memory.external, b.memory.external)
      .total("memory.total", a.memory.total(), b.memory.total())
      .total("waiting_integral", a.waiting_integral, b.waiting_integral)
      .total("running_integral", a.running_integral, b.running_integral)
      .total("used_block_integral", a.used_block_integral, b.used_block_integral);
}

void compare_rows(Comparison& c, const Outcome& a, const Outcome& b) {
  c.column("steps.t_ns", a.steps.t_ns, b.steps.t_ns)
      .column("steps.dur_ns", a.steps.dur_ns, b.steps.dur_ns)
      .column("steps.scheduled", a.steps.scheduled, b.steps.scheduled)
      .column("steps.tokens", a.steps.tokens, b.steps.tokens)
      .column("steps.context", a.steps.context, b.steps.context)
      .column("steps.running", a.steps.running, b.steps.running)
      .column("steps.waiting", a.steps.waiting, b.steps.waiting)
      .column("steps.preempted", a.steps.preempted, b.steps.preempted)
      .column("steps.free_blocks_scheduled", a.steps.free_blocks_scheduled,
              b.steps.free_blocks_scheduled)
      .column("steps.free_blocks_end", a.steps.free_blocks_end, b.steps.free_blocks_end)
      .column("steps.start_ns", a.steps.start_ns, b.steps.start_ns)
      .column("steps.end_ns", a.steps.end_ns, b.steps.end_ns)
      .column("steps.processed_ns", a.steps.processed_ns, b.steps.processed_ns)
      .column("steps.in_flight", a.steps.in_flight, b.steps.in_flight);
  if (a.steps.blocks_hash.empty() || b.steps.blocks_hash.empty()) return;
  c.column("preempted_request", a.steps.preempted_request, b.steps.preempted_request)
      .column("preempted_computed", a.steps.preempted_computed, b.steps.preempted_computed)
      .column("preempted_in_flight", a.steps.preempted_in_flight, b.steps.preempted_in_flight)
      .column("entries.request", a.entries.request, b.entries.request)
      .column("entries.step", a.entries.step, b.entries.step)
      .column("entries.kind", a.entries.kind, b.entries.kind)
      .column("entries.computed", a.entries.computed, b.entries.computed)
      .column("entries.tokens", a.entries.tokens, b.entries.tokens)
      .column("entries.drafts", a.entries.drafts, b.entries.drafts)
      .column("entries.sampled", a.entries.sampled, b.entries.sampled)
      .column("entries.fate", a.entries.fate, b.entries.fate)
      .column("steps.blocks_hash", a.steps.blocks_hash, b.steps.blocks_hash);
}

}  // namespace

std::int64_t ReplicaCase::add(kvsim::Ns arrival_ns, std::int32_t prompt_tokens,
                              std::int32_t output_tokens, std::int32_t priority) {
  requests.arrival_ns.push_back(arrival_ns);
  requests.prompt_tokens.push_back(prompt_tokens);
  requests.output_tokens.push_back(output_tokens);
  requests.priority.push_back(priority);
  return requests.size() - 1;
}

void ReplicaCase::share_prefix(std::int64_t blocks) {
  kvsim::PrefixKeys& keys = requests.keys;
  keys.num_shared_keys = static_cast<std::uint32_t>(blocks);
  keys.offset.assign(1, 0);
  keys.shared.clear();
  for (std::size_t r = 0; r < requests.prompt_tokens.size(); ++r) {
    const std::int64_t tokens = std::int64_t{requests.prompt_tokens[r]} + requests.output_tokens[r];
    const std::int64_t has = std::min(blocks, tokens / engine.block_size);
    for (std::int64_t j = 0; j < has; ++j) keys.shared.push_back(static_cast<std::uint32_t>(j));
    keys.offset.push_back(static_cast<std::int64_t>(keys.shared.size()));
  }
}

ReplicaCase small_case(std::int64_t usable_blocks, std::int64_t max_model_len) {
  ReplicaCase c;
  c.engine.max_num_seqs = 64;
  c.engine.max_num_batched_tokens = 512;
  c.engine.block_size = 16;
  c.engine.enable_prefix_caching = false;
  c.engine.num_gpu_blocks = usable_blocks + 1;
  c.engine.max_model_len = max_model_len;
  return c;
}

Outcome run_replica(const ReplicaCase& c, Pool pool, Mode mode, Record record,
                    kvsim::Control control) {
  auto config =
      kvsim::SchedulerConfig::from(c.engine, c.pipeline_parallel_size,
                                   c.engine.num_gpu_blocks.value(), c.engine.max_model_len.value());
  const auto as = [&]<class Replica>(std::type_identity<Replica>) {
    return run<Replica>(c, config, mode, record, control);
  };
  config.preemption.host_blocks = c.host_blocks;
  config.preemption.swap_ns_per_block = c.swap_ns_per_block;
  config.record_memory = c.record_memory;
  config.run_seed = c.run_seed;
  if (c.draft_time) {
    config.draft_time =
        std::make_shared<const kvsim::StepTimeModel>(kvsim::AffineTime(*c.draft_time, {}));
  }
  if (config.static_window_ns) {
    return config.contiguous ? as(std::type_identity<kvsim::StaticReplica<kvsim::RegionPool>>{})
                             : as(std::type_identity<kvsim::StaticReplica<kvsim::CountPool>>{});
  }
  if (config.contiguous) return as(std::type_identity<kvsim::Replica<kvsim::RegionPool>>{});
  const bool queued = config.batch_queue() > 1;
  if (pool == Pool::blocks) {
    return queued ? as(std::type_identity<kvsim::QueuedReplica<kvsim::BlockPool>>{})
                  : as(std::type_identity<kvsim::Replica<kvsim::BlockPool>>{});
  }
  return queued ? as(std::type_identity<kvsim::QueuedReplica<kvsim::CountPool>>{})
                : as(std::type_identity<kvsim::Replica<kvsim::CountPool>>{});
}

std::string first_difference(const Outcome& a, const Outcome& b) {
  Comparison c;
  c.same("error", a.error == b.error);
  // Where a run stopped is no business of the caller's: modes notice a livelock at other steps.
  if (a.error || b.error) return c.text();
  if (!a.steps.t_ns.empty() && !b.steps.t_ns.empty()) compare_rows(c, a, b);
  compare_requests(c, a.requests, b.requests);
  compare_waterfalls(c, a.requests, b.requests);
  c.same("itl", a.itl == b.itl);
  compare_totals(c, a.totals, b.totals);
  return c.text();
}

std::string heatmap_difference(const Outcome& a, const Outcome& b) {
  Comparison c;
  const kvsim::HeatmapColumns& x = a.heatmap;
  const kvsim::HeatmapColumns& y = b.heatmap;
  c.column("t_ns", x.t_ns, y.t_ns)
      .column("preemptions", x.preemptions, y.preemptions)
      .column("evictions", x.evictions, y.evictions)
      .column("token_slots", x.token_slots, y.token_slots)
      .column("external_slots", x.external_slots, y.external_slots)
      .column("cached_slots", x.cached_slots, y.cached_slots)
      .column("slot_class", x.slot_class, y.slot_class)
      .column("owner", x.owner, y.owner);
  return c.text();
}

std::string rows_difference(const Outcome& a, const Outcome& b) {
  Comparison c;
  c.same("error", a.error == b.error);
  if (a.error || b.error) return c.text();
  compare_rows(c, a, b);
  compare_requests(c, a.requests, b.requests);
  return c.text();
}

std::string waterfall_gap(const Outcome& outcome) {
  const kvsim::RequestColumns& q = outcome.requests;
  for (std::size_t r = 0; r < q.finish_ns.size(); ++r) {
    const kvsim::Ns sum = q.scheduled_ns[r] - q.arrival_ns[r] + q.host_ns[r] + q.compute_ns[r] +
                          q.hbm_ns[r] + q.comm_ns[r] + q.preempted_ns[r] + q.redo_ns[r] +
                          (q.bubble_ns.empty() ? 0 : q.bubble_ns[r]);
    if (sum != q.finish_ns[r] - q.arrival_ns[r]) {
      return "request " + std::to_string(r) + ": " + std::to_string(sum) + " ns of " +
             std::to_string(q.finish_ns[r] - q.arrival_ns[r]);
    }
    const kvsim::Ns first = q.scheduled_ns[r] - q.arrival_ns[r] + q.ttft_host_ns[r] +
                            q.ttft_compute_ns[r] + q.ttft_hbm_ns[r] + q.ttft_comm_ns[r] +
                            q.ttft_preempted_ns[r] + q.ttft_redo_ns[r] + q.ttft_bubble_ns[r];
    if (first != q.first_token_ns[r] - q.arrival_ns[r]) {
      return "first token of request " + std::to_string(r) + ": " + std::to_string(first) +
             " ns of " + std::to_string(q.first_token_ns[r] - q.arrival_ns[r]);
    }
  }
  return "";
}

}  // namespace kvsim_test
