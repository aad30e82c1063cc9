#include "kvsim/simulate_fleet.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "kvsim/core/error.hpp"
#include "kvsim/fleet/fleet_faults.hpp"
#include "kvsim/fleet/fleet_flow.hpp"
#include "kvsim/fleet/lindley.hpp"
#include "kvsim/fleet/token_servers.hpp"
#include "kvsim/metrics/summary.hpp"
#include "kvsim/setup.hpp"

namespace kvsim {
namespace {

void count_requests(const RequestTable& t, Result& result) {
  const RequestColumns& c = result.requests;
  RunTotals& totals = result.totals;
  for (std::size_t r = 0; r < c.outcome.size(); ++r) {
    if (c.outcome[r] != static_cast<std::uint8_t>(Outcome::completed)) continue;
    ++totals.completed;
    totals.prompt_tokens += t.prompt_tokens[r];
    totals.output_tokens += c.output_tokens[r];
  }
}

void add_energy(const PowerSpec& p, Result& result) {
  FleetTotals& f = result.fleet;
  // Each batch's answers are one more packet.
  const std::int64_t packets = f.packets + (f.workers > 0 ? f.batches : 0);
  const double seconds = s_from_ns(result.totals.end_ns - result.totals.start_ns);
  f.packets = packets;
  f.has_power = true;
  f.energy_mj = p.idle_mw * seconds * static_cast<double>(f.servers) +
                p.e0_mj * static_cast<double>(f.batches) + p.e1_mj * static_cast<double>(f.served) +
                p.wakeup_mj * static_cast<double>(f.wakeups) +
                p.radio_mj * static_cast<double>(packets);
}

template <class Run>
void take(Run& run, FleetTotals& fleet, Result& result) {
  result.requests = std::move(run.columns);
  result.fleet = fleet;
  result.totals.start_ns = run.first_arrival;
  result.totals.end_ns = run.last_end;
}

void run_one_shot(const Scenario& s, const Inputs& in, const RequestTable& requests,
                  Result& result) {
  if (lindley_applies(s, requests)) {
    LindleyRun run = run_lindley(s, requests, in.control, result.totals);
    take(run, run.fleet, result);
  } else {
    OneShotServers servers(*s.fleet, s.seed);
    Fleet<OneShotServers> fleet(s, requests, servers, in.control);
    fleet.run();
    servers.finish(result.totals, fleet.totals);
    take(fleet, fleet.totals, result);
    result.fleet_events = std::move(fleet.events);
  }
  result.requests.output_tokens.assign(requests.prompt_tokens.size(), 1);
}

// Replicas of one group.
struct Kind {
  Scenario scenario;  // the fleet's with what the group changes
  ReplicaSetup setup;
  StepTimeModel model;

  Kind(Scenario s, const Inputs& in, const RequestTable& requests,
       std::vector<std::string>& warnings)
      : scenario(std::move(s)),
        setup(set_up_replica(scenario, in, requests, warnings)),
        model(set_up_step_time(scenario, in, setup, requests, warnings)) {}
};

Scenario of_group(const Scenario& s, const ReplicaGroup& g) {
  Scenario changed = s;
  if (g.gpu) changed.gpu = g.gpu;
  if (g.tensor_parallel_size) changed.tensor_parallel_size = *g.tensor_parallel_size;
  if (g.engine) changed.engine = *g.engine;
  return changed;
}

// What replicas with batches in flight cannot do.
void check_in_flight(const FleetSpec& f, bool in_flight) {
  const auto cancels = [](const auto& h) {
    if constexpr (requires { h.cancel; }) return h.cancel;
    return Cancel::none;
  };
  const Cancel cancel = std::visit(cancels, f.hedge);
  if (cancel == Cancel::at_start) {
    bad_field("fleet.hedge.cancel", "\"at_start\"", "none or at_finish with token-level replicas");
  }
  if (!in_flight) return;
  const std::string_view why =
      " with engine.async_scheduling or pipelines: their batches in flight cannot be called back";
  if (cancel != Cancel::none) {
    bad_field("fleet.hedge.cancel", "\"at_finish\"", "none" + std::string(why));
  }
  bool slow = f.random_outages && f.random_outages->slowdown;
  for (const OutageSpec& o : f.outages) slow = slow || o.slowdown;
  if (slow) bad_field("fleet.outages.slowdown", "a factor", "null" + std::string(why));
}

void check_alike(const Scenario& s, const std::deque<Kind>& kinds) {
  if (std::holds_alternative<NoPrefixes>(s.workload.prefixes)) return;
  for (const Kind& k : kinds) {
    if (k.scenario.engine.block_size == s.engine.block_size &&
        k.scenario.engine.enable_prefix_caching == s.engine.enable_prefix_caching) {
      continue;
    }
    bad_field("fleet.groups", "an engine with another block_size or enable_prefix_caching",
              "the same in all groups while prompts share prefixes");
  }
}

std::unique_ptr<TokenServer> make_server(const Kind& kind, const RequestTable& requests,
                                         std::int64_t longest_output, bool stop, Control control) {
  const Scenario& s = kind.scenario;
  const auto make = [&]<class R>(std::type_identity<R>) -> std::unique_ptr<TokenServer> {
    return std::make_unique<ReplicaServer<R>>(kind.setup.config, kind.model, requests,
                                              longest_output, s.mode, s.record_waterfall,
                                              s.record != Record::summary, stop, control);
  };
  if (kind.setup.config.contiguous) return make(std::type_identity<Replica<RegionPool>>{});
  if (kind.setup.config.batch_queue() > 1) {
    return s.engine.enable_prefix_caching ? make(std::type_identity<QueuedReplica<BlockPool>>{})
                                          : make(std::type_identity<QueuedReplica<CountPool>>{});
  }
  return s.engine.enable_prefix_caching ? make(std::type_identity<Replica<BlockPool>>{})
                                        : make(std::type_identity<Replica<CountPool>>{});
}

void run_token(const Scenario& s, const Inputs& in, const RequestTable& requests, Ns gaps_from,
               Result& result) {
  const FleetSpec& f = *s.fleet;
  std::deque<Kind> kinds;
  std::vector<std::size_t> kind_of;
  RunTotals& totals = result.totals;
  const auto add = [&](const Scenario& of, std::int64_t count) {
    kinds.emplace_back(of, in, requests, result.warnings);
    kind_of.insert(kind_of.end(), static_cast<std::size_t>(count), kinds.size() - 1);
    totals.num_gpu_blocks += count * (kinds.back().setup.budget.num_gpu_blocks - 1);
    check_in_flight(f, kinds.back().setup.config.batch_queue() > 1);
    if (of.engine.prefix_eviction == eviction_of<Belady>()) {
      bad_field("engine.prefix_eviction", quoted("belady"),
                "another policy in a fleet: which requests a replica gets is not known before");
    }
  };
  if (f.groups.empty()) add(s, f.num_servers);
  for (const ReplicaGroup& g : f.groups) add(of_group(s, g), g.count);
  check_alike(s, kinds);
  std::int64_t longest_output = 1;
  for (const std::int32_t n : requests.output_tokens) {
    longest_output = std::max<std::int64_t>(longest_output, n);
  }
  const bool stop = requests.closed_loop_concurrency > 0 || !requests.successor.empty() ||
                    !std::holds_alternative<NoHedge>(f.hedge) || f.downlink;
  TokenServers servers(kind_of.size(), requests, [&](std::size_t i) {
    auto server = make_server(kinds[kind_of[i]], requests, longest_output, stop, in.control);
    server->count_gaps_from(gaps_from, result.itl);
    return server;
  });
  Fleet<TokenServers> fleet(s, requests, servers, in.control);
  fleet.run();
  servers.finish(totals, fleet.totals);
  take(fleet, fleet.totals, result);
  result.fleet_events = std::move(fleet.events);
  result.kv_budget = kinds.front().setup.budget;
  result.trust = step_time_trust(kinds.front().model);
  ++totals.num_gpu_blocks;  // a null block for all, as metrics count
  totals.block_size = kinds.front().setup.config.block_size;
}

}  // namespace

void run_fleet(const Scenario& s, const Inputs& in, const RequestTable& requests, Ns gaps_from,
               Result& result) {
  if (s.fleet->one_shot()) {
    run_one_shot(s, in, requests, result);
  } else {
    run_token(s, in, requests, gaps_from, result);
  }
  result.requests.prompt_tokens = requests.prompt_tokens;
  count_requests(requests, result);
  if (s.fleet->power) add_energy(*s.fleet->power, result);
}

}  // namespace kvsim
