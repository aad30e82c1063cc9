#include "server/random_case.hpp"

#include <algorithm>
#include <cstddef>
#include <variant>
#include <vector>

#include "random.hpp"

namespace kvsim_test {
namespace {

using kvsim::SchedulingPolicy;
using kvsim::SpecMethod;

// Laws and methods that no recording has.
void add_drafts(ReplicaCase& c, Random& random) {
  kvsim::EngineSpec& e = c.engine;
  const double alpha = static_cast<double>(random.between(0, 100)) / 100;
  if (random.chance(40)) e.spec_method = SpecMethod::mtp;
  if (random.chance(30)) {
    e.spec_acceptance = kvsim::ConstantAcceptance{alpha};
  } else if (random.chance(50)) {
    e.spec_acceptance = kvsim::BetaAcceptance{0.1 + 0.8 * alpha, 0.2};
  } else {
    kvsim::AcceptanceByPosition places;
    for (std::int64_t i = 0; i < e.num_spec_tokens; ++i) {
      places.alphas.push_back(static_cast<double>(random.between(0, 100)) / 100);
    }
    e.spec_acceptance = places;
  }
  if (e.spec_method == SpecMethod::ngram) e.spec_match_probability = alpha;
  if (random.chance(70)) {
    c.draft_time = kvsim::Affine{static_cast<double>(random.between(0, 300)), 1, 0.01};
  }
  c.run_seed = static_cast<std::uint64_t>(random.between(0, 1000));
}

kvsim::EngineSpec random_engine(Random& random, Flavour flavour) {
  kvsim::EngineSpec e;
  e.block_size = random.pick<std::int64_t>({1, 2, 3, 8, 16, 16, 16, 32, 64});
  e.enable_prefix_caching = random.chance(50);
  e.scheduling_policy = random.chance(33) ? SchedulingPolicy::priority : SchedulingPolicy::fcfs;
  e.max_model_len = random.between(40, 400);
  e.max_num_batched_tokens = random.chance(67) ? random.between(8, 120) : random.between(200, 2000);
  e.max_num_seqs = random.between(1, 30);
  if (random.chance(17)) e.max_num_active_seqs = random.between(1, 30);
  if (random.chance(20)) {
    // vLLM demands this budget without chunks.
    e.enable_chunked_prefill = false;
    e.max_num_batched_tokens = std::max(e.max_num_batched_tokens, *e.max_model_len);
  }
  if (random.chance(25)) e.long_prefill_token_threshold = random.between(1, 60);
  e.long_prefill_token_threshold_adaptive = random.chance(50);
  e.scheduler_reserve_full_isl = random.chance(75);
  if (random.chance(25)) e.watermark = static_cast<double>(random.between(0, 20)) / 100.0;
  if (random.chance(20)) e.prefill_schedule_interval = random.between(2, 5);
  if (random.chance(20)) {
    e.frontend_ms = static_cast<double>(random.between(0, 30)) / 1e4;
    e.frontend_us_per_prompt_token = static_cast<double>(random.between(0, 100)) / 1e3;
  }
  const std::int64_t longest = (*e.max_model_len + e.block_size - 1) / e.block_size;
  e.num_gpu_blocks = 1 + longest + random.between(0, 600 / e.block_size);
  if (flavour == Flavour::speculation || flavour == Flavour::drafts) {
    e.spec_method = random.chance(50) ? SpecMethod::ngram : SpecMethod::draft_model;
    e.num_spec_tokens = random.between(1, 4);
    e.spec_seed = static_cast<std::uint64_t>(random.between(0, 1000));
    // vLLM asserts that a threshold leaves room for a token and its drafts.
    if (e.long_prefill_token_threshold > 0) {
      e.long_prefill_token_threshold =
          std::max(e.long_prefill_token_threshold, 1 + e.num_spec_tokens);
    }
  }
  if (flavour == Flavour::batches_in_flight) {
    e.async_scheduling = random.chance(67);
    if (random.chance(30)) e.empty_sleep_ns = random.between(1, 2000);
  }
  return e;
}

void add_preemption(ReplicaCase& c, Random& random) {
  kvsim::PreemptionSpec& p = c.engine.preemption;
  p.mode = random.pick<kvsim::PreemptionMode>(
      {kvsim::PreemptionMode::recompute, kvsim::PreemptionMode::recompute,
       kvsim::PreemptionMode::swap, kvsim::PreemptionMode::none});
  if (p.mode == kvsim::PreemptionMode::swap) {
    c.host_blocks = random.between(1, 60);
    c.swap_ns_per_block = static_cast<double>(random.between(0, 500));
    p.swap_overlap = random.chance(50);
  }
  if (p.mode == kvsim::PreemptionMode::none) return;
  if (random.chance(60)) {
    p.victim = random.pick<kvsim::PreemptionVictim>(
        {kvsim::PreemptionVictim::latest, kvsim::PreemptionVictim::lowest_priority,
         kvsim::PreemptionVictim::least_work_lost, kvsim::PreemptionVictim::longest_remaining});
  }
  if (random.chance(40)) p.max_per_request = random.between(0, 4);
  if (random.chance(30)) p.max_per_s = 1e9 / static_cast<double>(random.between(1, 20'000));
  if ((p.max_per_request || p.max_per_s) && random.chance(40)) {
    p.at_limit = kvsim::PreemptionLimit::reject;
  }
}

void add_memory(ReplicaCase& c, Random& random) {
  kvsim::EngineSpec& e = c.engine;
  if (random.chance(70)) {
    c.record_memory =
        random.chance(50) ? kvsim::RecordMemory::heatmap : kvsim::RecordMemory::classes;
  }
  if (e.enable_prefix_caching) {
    const auto& names = kvsim::EnumNames<kvsim::PrefixEviction>::values;
    const auto last = static_cast<std::int64_t>(names.size()) - 1;
    e.prefix_eviction = names[static_cast<std::size_t>(random.between(0, last))].first;
  }
  if (e.enable_prefix_caching || random.chance(60)) return add_preemption(c, random);
  kvsim::ContiguousAllocator a;
  a.reservation =
      random.pick<kvsim::Reservation>({kvsim::Reservation::max, kvsim::Reservation::pow2,
                                       kvsim::Reservation::oracle, kvsim::Reservation::fraction});
  a.fraction = static_cast<double>(random.between(0, 10)) / 10;
  a.placement =
      kvsim::EnumNames<kvsim::Placement>::values[static_cast<std::size_t>(random.between(0, 2))]
          .first;
  e.kv_allocator = a;
  e.watermark = 0;
  // A power of two that holds the longest request.
  e.num_gpu_blocks = 1 + 2 * *e.num_gpu_blocks;
}

// Requests in groups, each with a common prefix that may reach into the outputs.
void group_requests(ReplicaCase& c, Random& random, std::int64_t count) {
  const std::int64_t longest = *c.engine.max_model_len;
  const std::int64_t block = c.engine.block_size;
  const std::int64_t groups = random.between(1, 6);
  const std::int64_t keys_of_group = longest / block + 2;
  std::vector<std::int64_t> prefix_tokens;
  for (std::int64_t g = 0; g < groups; ++g) prefix_tokens.push_back(random.between(0, longest - 2));

  const kvsim::Ns gap = random.between(0, 20'000);
  const std::int64_t levels = random.between(1, 4);
  kvsim::Ns now = 0;
  kvsim::PrefixKeys& keys = c.requests.keys;
  keys.num_shared_keys = static_cast<std::uint32_t>(groups * keys_of_group);
  keys.offset.assign(1, 0);
  for (std::int64_t i = 0; i < count; ++i) {
    now += random.between(0, gap);
    const std::int64_t prompt = random.between(1, longest - 1);
    const std::int64_t output = random.between(1, random.chance(75) ? 60 : 300);
    c.add(now, static_cast<std::int32_t>(prompt), static_cast<std::int32_t>(output),
          static_cast<std::int32_t>(random.between(0, levels - 1)));
    const std::int64_t group = random.between(0, groups - 1);
    const std::int64_t shared =
        std::min({prompt + output, longest, prefix_tokens[static_cast<std::size_t>(group)]});
    for (std::int64_t j = 0; j < shared / block; ++j) {
      keys.shared.push_back(static_cast<std::uint32_t>(group * keys_of_group + j));
    }
    keys.offset.push_back(static_cast<std::int64_t>(keys.shared.size()));
  }
}

// The i-th request arrives when one of the first has finished.
void close_loop(ReplicaCase& c, Random& random) {
  kvsim::RequestTable& t = c.requests;
  t.closed_loop_concurrency = std::min(t.size(), random.between(1, 20));
  t.closed_loop_think_ns = random.chance(50) ? 0 : random.between(0, 5000);
  for (std::size_t i = 0; i < t.arrival_ns.size(); ++i) {
    t.arrival_ns[i] = static_cast<std::int64_t>(i) < t.closed_loop_concurrency ? 0 : -1;
  }
}

// Some outputs end before max_tokens, which nobody foresees.
void hide_stops(ReplicaCase& c, Random& random) {
  for (const std::int32_t outputs : c.requests.output_tokens) {
    const std::int64_t stop = random.chance(50) ? random.between(1, outputs) : 0;
    c.requests.stop_after.push_back(static_cast<std::int32_t>(stop));
  }
}

// Chats: a turn's prompt is all that was said before and a bit more.
void session_requests(ReplicaCase& c, Random& random, std::int64_t count) {
  kvsim::RequestTable& t = c.requests;
  const std::int64_t longest = *c.engine.max_model_len;
  const std::int64_t block = c.engine.block_size;
  kvsim::Ns start = 0;
  t.keys.offset.assign(1, 0);
  while (t.size() < count) {
    start += random.between(0, 20'000);
    std::int64_t said = 0;  // tokens up to the last turn's end
    const std::uint32_t first_key = t.keys.num_shared_keys;
    for (bool first = true;; first = false) {
      const std::int64_t prompt = said + random.between(1, longest / 4);
      if (prompt > longest - 1 || t.size() == count) break;
      const std::int64_t output = random.between(1, 60);
      const std::int64_t id =
          c.add(first ? start : -1, static_cast<std::int32_t>(prompt),
                static_cast<std::int32_t>(output), static_cast<std::int32_t>(random.between(0, 2)));
      t.successor.push_back(-1);
      t.delay_ns.push_back(first ? 0 : random.between(0, 30'000));
      if (!first) t.successor[static_cast<std::size_t>(id) - 1] = static_cast<std::int32_t>(id);
      said = std::min(prompt + output, longest);
      for (std::int64_t j = 0; j < said / block; ++j) {
        t.keys.shared.push_back(first_key + static_cast<std::uint32_t>(j));
      }
      t.keys.offset.push_back(static_cast<std::int64_t>(t.keys.shared.size()));
    }
    t.keys.num_shared_keys = first_key + static_cast<std::uint32_t>(longest / block);
  }
}

}  // namespace

ReplicaCase random_case(std::uint64_t seed, Flavour flavour) {
  Random random(seed);
  ReplicaCase c;
  c.engine = random_engine(random, flavour);
  // Steps may last no time at all.
  c.step_time = {.a_ns = static_cast<double>(random.chance(10) ? 0 : random.between(1, 1000)),
                 .b_ns_per_token = static_cast<double>(random.between(0, 10)),
                 .c_ns_per_context_token = static_cast<double>(random.between(0, 3)) / 10.0};
  const std::int64_t count = random.between(1, 120);
  if (random.chance(20)) {
    session_requests(c, random, count);
  } else {
    group_requests(c, random, count);
    if (random.chance(25)) close_loop(c, random);
  }
  if (flavour == Flavour::batches_in_flight) {
    c.pipeline_parallel_size =
        c.engine.async_scheduling ? random.between(1, 4) : random.between(2, 4);
    if (c.engine.async_scheduling && random.chance(50)) c.pipeline_parallel_size = 1;
  }
  if (random.chance(20)) hide_stops(c, random);
  if (flavour == Flavour::memory) add_memory(c, random);
  if (flavour == Flavour::drafts) add_drafts(c, random);
  return c;
}

std::string describe(const ReplicaCase& c) {
  const kvsim::EngineSpec& e = c.engine;
  std::string text;
  const auto say = [&text](const char* name, std::int64_t value) {
    text += std::string(text.empty() ? "" : " ") + name + "=" + std::to_string(value);
  };
  say("requests", c.requests.size());
  say("usable_blocks", *e.num_gpu_blocks - 1);
  say("block_size", e.block_size);
  say("max_model_len", *e.max_model_len);
  say("budget", e.max_num_batched_tokens);
  say("seqs", e.max_num_active_seqs.value_or(e.max_num_seqs));
  say("caching", e.enable_prefix_caching ? 1 : 0);
  say("priority", e.scheduling_policy == SchedulingPolicy::priority ? 1 : 0);
  say("chunked", e.enable_chunked_prefill ? 1 : 0);
  say("reserve_full", e.scheduler_reserve_full_isl ? 1 : 0);
  say("threshold", e.long_prefill_token_threshold);
  say("adaptive", e.long_prefill_token_threshold_adaptive ? 1 : 0);
  say("watermark_percent", static_cast<std::int64_t>(e.watermark * 100));
  say("interval", e.prefill_schedule_interval);
  say("drafts", e.spec_method ? e.num_spec_tokens : 0);
  say("draft_model", e.spec_method == SpecMethod::draft_model ? 1 : 0);
  say("async", e.async_scheduling ? 1 : 0);
  say("stages", c.pipeline_parallel_size);
  say("sleep", e.empty_sleep_ns);
  say("stops", c.requests.stop_after.empty() ? 0 : 1);
  say("frontend_ns", static_cast<std::int64_t>(e.frontend_ms * 1e6));
  say("closed_loop", c.requests.closed_loop_concurrency);
  say("eviction", static_cast<std::int64_t>(e.prefix_eviction));
  say("mode", static_cast<std::int64_t>(e.preemption.mode));
  say("victim", e.preemption.victim ? static_cast<std::int64_t>(*e.preemption.victim) : -1);
  say("max_per_request", e.preemption.max_per_request.value_or(-1));
  say("at_limit", static_cast<std::int64_t>(e.preemption.at_limit));
  say("max_per_s", static_cast<std::int64_t>(e.preemption.max_per_s.value_or(-1)));
  say("contiguous", std::holds_alternative<kvsim::ContiguousAllocator>(e.kv_allocator) ? 1 : 0);
  say("record_memory", static_cast<std::int64_t>(c.record_memory));
  say("sessions", c.requests.successor.empty() ? 0 : 1);
  return text;
}

}  // namespace kvsim_test
