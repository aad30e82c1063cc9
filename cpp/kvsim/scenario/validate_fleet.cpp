// Rules between the fields of a fleet.

#include <string>
#include <string_view>

#include "kvsim/core/error.hpp"
#include "kvsim/scenario/field_json.hpp"
#include "kvsim/scenario/scenario.hpp"

namespace kvsim {

namespace {

using detail::join_path;

std::string text(std::int64_t value) { return std::to_string(value); }
std::string text(double value) { return json::write_double(value); }

template <class T>
bool is_default(const T& value) {
  return json::write(to_json(value)) == json::write(to_json(T{}));
}

}  // namespace

void EmpiricalLaw::validate(std::string_view path) const {
  if (values.empty()) bad_field(join_path(path, "values"), "[]", "at least one factor");
  if (!weights.empty() && weights.size() != values.size()) {
    bad_field(join_path(path, "weights"),
              text(static_cast<std::int64_t>(weights.size())) + " of them",
              "as many as values, " + text(static_cast<std::int64_t>(values.size())) + ", or none");
  }
  double sum = 0;
  for (const double w : weights) sum += w;
  if (!weights.empty() && !(sum > 0)) {
    bad_field(join_path(path, "weights"), "weights that sum to 0", "a sum above 0");
  }
}

void OneShotSpec::validate(std::string_view path) const {
  if (s0_ms + s1_ms <= 0) {
    bad_field(join_path(path, "s0_ms"), text(s0_ms), "a number above 0, since s1_ms is 0");
  }
  if (window_ms > 0 && max_batch == 1) {
    bad_field(join_path(path, "window_ms"), text(window_ms), "0 with max_batch 1");
  }
}

void GatewaySpec::validate(std::string_view path) const {
  if ((batch > 1) != (window_ms > 0)) {
    bad_field(join_path(path, "window_ms"), text(window_ms),
              batch > 1 ? "a number above 0, since batch is " + text(batch) +
                              " (a last, smaller batch would wait for ever)"
                        : "0, since batch is 1");
  }
}

void LinkSpec::validate(std::string_view path) const {
  if (!bytes_per_s && (message_bytes > 0 || bytes_per_token > 0 || shared)) {
    bad_field(join_path(path, "bytes_per_s"), "null", "a bandwidth, since there are bytes to send");
  }
}

void FanOutSpec::validate(std::string_view path) const {
  if (quorum && *quorum > parts) {
    bad_field(join_path(path, "quorum"), text(*quorum), "at most parts = " + text(parts));
  }
}

void FleetSpec::validate(std::string_view path) const {
  const std::int64_t n = servers();
  const std::int64_t parts = fan_out.parts;
  if (!groups.empty() && num_servers != 1) {
    bad_field(join_path(path, "num_servers"), text(num_servers), "1, since groups give the counts");
  }
  if (n > 100'000) bad_field(join_path(path, "groups"), text(n) + " servers", "at most 100000");
  double weights = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const ReplicaGroup& g = groups[i];
    const std::string at = join_path(join_path(path, "groups"), text(static_cast<std::int64_t>(i)));
    weights += g.weight;
    if (one_shot() && (g.gpu || g.tensor_parallel_size || g.engine)) {
      bad_field(at, "gpu, tensor_parallel_size or engine", "one_shot, since server is one_shot");
    }
    if (!one_shot() && g.one_shot) {
      bad_field(join_path(at, "one_shot"), "an object", "null, since server is token");
    }
  }
  const bool weighted = std::holds_alternative<routing::WeightedSpec>(router);
  if (weighted && !groups.empty() && !(weights > 0)) {
    bad_field(join_path(path, "groups"), "weights that sum to 0", "a sum above 0");
  }
  if (fan_out.placement == FanOutPlacement::distinct && parts > n) {
    bad_field(join_path(path, "fan_out.parts"), text(parts),
              "at most the number of servers, " + text(n) + ", with placement distinct");
  }
  if (fan_out.placement == FanOutPlacement::sharded && n % parts != 0) {
    bad_field(join_path(path, "fan_out.parts"), text(parts),
              "a divisor of the number of servers, " + text(n) + ", with placement sharded");
  }
  const std::int64_t shard = fan_out.placement == FanOutPlacement::sharded ? n / parts : n;
  if (!std::holds_alternative<NoHedge>(hedge) && shard < 2) {
    bad_field(join_path(path, "hedge"),
              "hedging with one server" + std::string(shard < n ? " a shard" : ""),
              "none, or two servers or more");
  }
  for (std::size_t i = 0; i < outages.size(); ++i) {
    if (outages[i].server < n) continue;
    const std::string at =
        join_path(join_path(path, "outages"), text(static_cast<std::int64_t>(i)));
    bad_field(join_path(at, "server"), text(outages[i].server), "0 to " + text(n - 1));
  }
  for (const double d : deadlines_ms) {
    if (!(d > 0)) bad_field(join_path(path, "deadlines_ms"), text(d), "numbers above 0");
  }
  const auto* kind = std::get_if<OneShotSpec>(&server);
  bool edf = kind != nullptr && kind->discipline == Discipline::edf;
  for (const ReplicaGroup& g : groups)
    edf = edf || (g.one_shot && g.one_shot->discipline == Discipline::edf);
  if (edf && deadlines_ms.empty()) {
    bad_field(join_path(path, "deadlines_ms"), "[]", "at least one deadline with discipline edf");
  }
  if (power && !one_shot() && (power->wakeup_ms > 0 || power->wakeup_mj > 0)) {
    bad_field(join_path(path, "power.wakeup_ms"), text(power->wakeup_ms),
              "0 for token-level replicas, which do not sleep");
  }
}

// A fleet's rules with the rest of the scenario.
void validate_fleet(const Scenario& s) {
  const FleetSpec& f = *s.fleet;
  if (std::holds_alternative<routing::SessionAffinitySpec>(f.router) &&
      !std::holds_alternative<Sessions>(s.workload.prefixes)) {
    bad_field("fleet.router", "\"session_affinity\"",
              "another kind, or workload.prefixes of kind \"sessions\"");
  }
  if (std::holds_alternative<routing::PrefixAffinitySpec>(f.router)) {
    if (std::holds_alternative<NoPrefixes>(s.workload.prefixes)) {
      bad_field("fleet.router", "\"prefix_affinity\"",
                "another kind, or workload.prefixes other than none");
    }
    if (f.one_shot() || !s.engine.enable_prefix_caching) {
      bad_field("fleet.router", "\"prefix_affinity\"",
                "another kind, or token-level replicas with engine.enable_prefix_caching");
    }
  }
  if (s.record_memory != RecordMemory::none) {
    bad_field("record_memory", quoted(enum_name(s.record_memory)),
              "\"none\" with a fleet: it is the account of one memory; simulate one replica with "
              "its share of the load");
  }
  if (!f.one_shot()) return;
  const auto refuse = [](std::string_view path, std::string_view allowed) {
    bad_field(path, "another value than the default", allowed);
  };
  if (s.model) refuse("model", "null: fleet.server is one_shot, which no model decides");
  if (s.gpu) refuse("gpu", "null: fleet.server is one_shot, which no GPU decides");
  if (s.tensor_parallel_size != 1) refuse("tensor_parallel_size", "1 with one-shot servers");
  if (s.pipeline_parallel_size != 1) refuse("pipeline_parallel_size", "1 with one-shot servers");
  if (!is_default(s.engine)) refuse("engine", "the default with one-shot servers");
  if (json::write(to_json(s.step_time)) != json::write(to_json(Scenario{}.step_time))) {
    refuse("step_time", "the default with one-shot servers, whose times are in fleet.server");
  }
  if (s.slo.ttft_ms || s.slo.tpot_ms) {
    bad_field("slo", "ttft_ms or tpot_ms", "e2e_ms with one-shot servers: there are no tokens");
  }
}

}  // namespace kvsim
