// Description of a fleet but for its replicas (scenario.hpp): one-shot servers, gateway, links,
// fan-out, hedging, outages, power.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "kvsim/routing/routers.hpp"
#include "kvsim/scenario/field.hpp"
#include "kvsim/scenario/law_types.hpp"

namespace kvsim {

// ---- servers ----

struct TokenServerSpec {
  static constexpr std::string_view kind = "token";
  static constexpr std::string_view type_name = "TokenServer";
  static constexpr std::string_view doc =
      "A token-level replica: the scenario's model, GPU, engine and step time.";
  static constexpr auto fields() { return std::tuple{}; }
};

enum class Discipline { fcfs, edf };
template <>
struct EnumNames<Discipline> {
  static constexpr std::string_view name = "Discipline";
  static constexpr std::pair<Discipline, std::string_view> values[] = {{Discipline::fcfs, "fcfs"},
                                                                       {Discipline::edf, "edf"}};
};

struct OneShotSpec {
  std::int64_t workers = 1;
  std::int64_t max_batch = 1;
  double window_ms = 0;
  double s0_ms = 1;
  double s1_ms = 0;
  Law jitter = ConstantLaw{};
  Discipline discipline = Discipline::fcfs;
  static constexpr std::string_view kind = "one_shot";
  static constexpr std::string_view type_name = "OneShot";
  static constexpr std::string_view doc =
      "A server of a model that answers in one pass: each worker takes batches of up to max_batch "
      "requests, for (s0 + s1 b) times a random factor.";
  static constexpr auto fields() {
    using O = OneShotSpec;
    return std::tuple{
        field("workers", &O::workers,
              {.min = 1, .max = 1 << 16, .doc = "Batches served at the same time."}),
        field("max_batch", &O::max_batch,
              {.unit = "requests", .min = 1, .max = 1 << 20, .doc = "Largest batch."}),
        field("window_ms", &O::window_ms,
              {.unit = "ms",
               .min = 0,
               .max = 1e9,
               .doc = "Longest wait of a batch's first request for more of them, as in Triton's "
                      "dynamic batcher (max_queue_delay_microseconds)."}),
        field("s0_ms", &O::s0_ms,
              {.unit = "ms", .min = 0, .max = 1e9, .doc = "Service time of a batch, fixed part."}),
        field("s1_ms", &O::s1_ms,
              {.unit = "ms", .min = 0, .max = 1e9, .doc = "Service time of each of its requests."}),
        field("jitter", &O::jitter, {.doc = "Law of the factor of the service time."}),
        field("discipline", &O::discipline,
              {.doc = "Who is served first: fcfs, first come; edf, who has the earliest deadline "
                      "(fleet.deadlines_ms)."})};
  }
  void validate(std::string_view path) const;
};

using ServerSpec = std::variant<TokenServerSpec, OneShotSpec>;

// ---- gateway and links ----

struct GatewaySpec {
  std::int64_t batch = 1;
  double window_ms = 0;
  static constexpr std::string_view type_name = "Gateway";
  static constexpr std::string_view doc =
      "Holds requests until there are `batch` of them or the first has waited `window_ms`, then "
      "releases them together.";
  static constexpr auto fields() {
    return std::tuple{
        field("batch", &GatewaySpec::batch,
              {.unit = "requests", .min = 1, .max = 1e9, .doc = "Requests of a release."}),
        field("window_ms", &GatewaySpec::window_ms,
              {.unit = "ms", .min = 0, .max = 1e9, .doc = "Longest wait; 0 = no waiting."})};
  }
  void validate(std::string_view path) const;
};

struct ChannelSpec {
  double good_s = 1;
  double bad_s = 0.1;
  double bad_factor = 10;
  static constexpr std::string_view type_name = "Channel";
  static constexpr std::string_view doc =
      "A channel that is good and bad by turns, for exponential times (Gilbert and Elliott).";
  static constexpr auto fields() {
    using C = ChannelSpec;
    return std::tuple{field("good_s", &C::good_s,
                            {.unit = "s",
                             .min = 0,
                             .max = 1e6,
                             .exclusive_min = true,
                             .doc = "Mean time that it stays good."}),
                      field("bad_s", &C::bad_s,
                            {.unit = "s",
                             .min = 0,
                             .max = 1e6,
                             .exclusive_min = true,
                             .doc = "Mean time that it stays bad."}),
                      field("bad_factor", &C::bad_factor,
                            {.min = 1, .max = 1e6, .doc = "Factor of alpha while it is bad."})};
  }
};

struct LinkSpec {
  double alpha_ms = 0;
  Law jitter = ConstantLaw{};
  std::optional<ChannelSpec> channel;
  std::optional<double> bytes_per_s;
  bool shared = false;
  double message_bytes = 0;
  double bytes_per_token = 0;
  static constexpr std::string_view type_name = "Link";
  static constexpr std::string_view doc =
      "One way between gateway and servers: alpha + bytes / beta, with a random alpha.";
  static constexpr auto fields() {
    using L = LinkSpec;
    return std::tuple{
        field("alpha_ms", &L::alpha_ms,
              {.unit = "ms", .min = 0, .max = 1e9, .doc = "Start-up latency, nominal."}),
        field("jitter", &L::jitter, {.doc = "Law of the factor of alpha, drawn for each message."}),
        field("channel", &L::channel, {.doc = "Bursts of a bad channel; null = always good."}),
        field("bytes_per_s", &L::bytes_per_s,
              {.unit = "B/s",
               .min = 0,
               .max = 1e18,
               .exclusive_min = true,
               .doc = "Bandwidth, beta; null = no limit."}),
        field("shared", &L::shared,
              {.doc = "All messages pass one after the other; else each has the whole bandwidth."}),
        field("message_bytes", &L::message_bytes,
              {.unit = "B", .min = 0, .max = 1e15, .doc = "Bytes of a message."}),
        field("bytes_per_token", &L::bytes_per_token,
              {.unit = "B",
               .min = 0,
               .max = 1e12,
               .doc =
                   "Further bytes for each prompt token (to the server) or output token (back)."})};
  }
  void validate(std::string_view path) const;
};

// ---- fan-out and hedging ----

enum class FanOutPlacement { any, distinct, sharded };
template <>
struct EnumNames<FanOutPlacement> {
  static constexpr std::string_view name = "FanOutPlacement";
  static constexpr std::pair<FanOutPlacement, std::string_view> values[] = {
      {FanOutPlacement::any, "any"},
      {FanOutPlacement::distinct, "distinct"},
      {FanOutPlacement::sharded, "sharded"}};
};

struct FanOutSpec {
  std::int64_t parts = 1;
  std::optional<std::int64_t> quorum;
  FanOutPlacement placement = FanOutPlacement::any;
  static constexpr std::string_view type_name = "FanOut";
  static constexpr std::string_view doc =
      "A request becomes several parallel sub-requests and is done with the last of them.";
  static constexpr auto fields() {
    using F = FanOutSpec;
    return std::tuple{
        field("parts", &F::parts,
              {.unit = "sub-requests", .min = 1, .max = 4096, .doc = "Sub-requests of a request."}),
        field("quorum", &F::quorum,
              {.unit = "sub-requests",
               .min = 1,
               .max = 4096,
               .doc = "Answers that suffice; null = all."}),
        field(
            "placement", &F::placement,
            {.doc = "any: each is routed by itself; distinct: to different servers; sharded: part "
                    "k to the k-th of `parts` equal shares of the fleet."})};
  }
  void validate(std::string_view path) const;
};

enum class Cancel { none, at_start, at_finish };
template <>
struct EnumNames<Cancel> {
  static constexpr std::string_view name = "Cancel";
  static constexpr std::pair<Cancel, std::string_view> values[] = {
      {Cancel::none, "none"}, {Cancel::at_start, "at_start"}, {Cancel::at_finish, "at_finish"}};
};

struct NoHedge {
  static constexpr std::string_view kind = "none";
  static constexpr std::string_view type_name = "NoHedge";
  static constexpr std::string_view doc = "Every sub-request is sent once.";
  static constexpr auto fields() { return std::tuple{}; }
};

inline constexpr FieldInfo cancel_info{
    .doc =
        "Whether the other copy is called back: none, at_start of service of one of them, "
        "at_finish. In service, one-shot servers finish what they have begun."};
inline constexpr FieldInfo cancel_delay_info{
    .unit = "ms", .min = 0, .max = 1e9, .doc = "How long a cancellation is under way."};
inline constexpr FieldInfo max_extra_info{
    .min = 0, .max = 1, .doc = "Most second copies, as a share of the sub-requests sent so far."};

struct HedgeAfter {
  double delay_ms = 10;
  Cancel cancel = Cancel::at_finish;
  double cancel_delay_ms = 0;
  double max_extra = 1;
  static constexpr std::string_view kind = "delay";
  static constexpr std::string_view type_name = "HedgeAfter";
  static constexpr std::string_view doc =
      "A second copy goes to another server if there is no answer after a delay (Dean and Barroso, "
      "The tail at scale, 2013). With delay 0 and cancel at_start: tied requests.";
  static constexpr auto fields() {
    using H = HedgeAfter;
    return std::tuple{
        field(
            "delay_ms", &H::delay_ms,
            {.unit = "ms", .min = 0, .max = 1e9, .doc = "Counted from the first copy's sending."}),
        field("cancel", &H::cancel, cancel_info),
        field("cancel_delay_ms", &H::cancel_delay_ms, cancel_delay_info),
        field("max_extra", &H::max_extra, max_extra_info)};
  }
};

struct HedgeQuantile {
  double quantile = 0.95;
  std::int64_t min_samples = 100;
  Cancel cancel = Cancel::at_finish;
  double cancel_delay_ms = 0;
  double max_extra = 1;
  static constexpr std::string_view kind = "quantile";
  static constexpr std::string_view type_name = "HedgeQuantile";
  static constexpr std::string_view doc =
      "As HedgeAfter, the delay being a running quantile of the latencies of answered sub-requests "
      "(a histogram, within 1.6 %).";
  static constexpr auto fields() {
    using H = HedgeQuantile;
    return std::tuple{
        field("quantile", &H::quantile,
              {.min = 0, .max = 0.9999, .exclusive_min = true, .doc = "Which quantile."}),
        field("min_samples", &H::min_samples,
              {.unit = "sub-requests",
               .min = 1,
               .max = 1e9,
               .doc = "Answers before the first copy is sent."}),
        field("cancel", &H::cancel, cancel_info),
        field("cancel_delay_ms", &H::cancel_delay_ms, cancel_delay_info),
        field("max_extra", &H::max_extra, max_extra_info)};
  }
};

using HedgeSpec = std::variant<NoHedge, HedgeAfter, HedgeQuantile>;

// ---- outages, power ----

struct OutageSpec {
  std::int64_t server = 0;
  double start_s = 0;
  double duration_s = 1;
  std::optional<double> slowdown;
  static constexpr std::string_view type_name = "Outage";
  static constexpr std::string_view doc =
      "A server fails and comes back empty (what it had is sent elsewhere or lost), or is slow.";
  static constexpr auto fields() {
    using O = OutageSpec;
    return std::tuple{
        field("server", &O::server, {.min = 0, .max = 1e6, .doc = "Which, from 0."}),
        field("start_s", &O::start_s, {.unit = "s", .min = 0, .max = 1e9, .doc = "When it fails."}),
        field("duration_s", &O::duration_s,
              {.unit = "s",
               .min = 0,
               .max = 1e9,
               .exclusive_min = true,
               .doc = "How long it is down or slow."}),
        field("slowdown", &O::slowdown,
              {.min = 1,
               .max = 1e6,
               .doc = "Factor of the times of services that begin meanwhile; null = it is down."})};
  }
};

struct RandomOutagesSpec {
  double mean_up_s = 1000;
  double mean_down_s = 10;
  std::optional<double> slowdown;
  static constexpr std::string_view type_name = "RandomOutages";
  static constexpr std::string_view doc =
      "Every server fails (or turns slow) and comes back, after exponential times of its own.";
  static constexpr auto fields() {
    using O = RandomOutagesSpec;
    return std::tuple{field("mean_up_s", &O::mean_up_s,
                            {.unit = "s",
                             .min = 0,
                             .max = 1e9,
                             .exclusive_min = true,
                             .doc = "Mean time between repair and failure."}),
                      field("mean_down_s", &O::mean_down_s,
                            {.unit = "s",
                             .min = 0,
                             .max = 1e9,
                             .exclusive_min = true,
                             .doc = "Mean time to repair."}),
                      field("slowdown", &O::slowdown,
                            {.min = 1, .max = 1e6, .doc = "As an outage's; null = it is down."})};
  }
};

enum class OnFailure { retry, lose };
template <>
struct EnumNames<OnFailure> {
  static constexpr std::string_view name = "OnFailure";
  static constexpr std::pair<OnFailure, std::string_view> values[] = {{OnFailure::retry, "retry"},
                                                                      {OnFailure::lose, "lose"}};
};

struct PowerSpec {
  double idle_mw = 0;
  double e0_mj = 0;
  double e1_mj = 0;
  double wakeup_ms = 0;
  double wakeup_mj = 0;
  double radio_mj = 0;
  static constexpr std::string_view type_name = "Power";
  static constexpr std::string_view doc =
      "Energy: idle power of each server, e0 + e1 b for a batch of b (token-level: a step of b "
      "tokens), wake-ups, packets.";
  static constexpr auto fields() {
    using P = PowerSpec;
    return std::tuple{
        field("idle_mw", &P::idle_mw,
              {.unit = "mW", .min = 0, .max = 1e9, .doc = "Power of a server at any time."}),
        field("e0_mj", &P::e0_mj,
              {.unit = "mJ", .min = 0, .max = 1e12, .doc = "Energy of a batch, fixed part."}),
        field(
            "e1_mj", &P::e1_mj,
            {.unit = "mJ", .min = 0, .max = 1e12, .doc = "Energy of each request in it (token)."}),
        field("wakeup_ms", &P::wakeup_ms,
              {.unit = "ms",
               .min = 0,
               .max = 1e9,
               .doc = "Time that a one-shot server with no worker busy needs before a batch."}),
        field("wakeup_mj", &P::wakeup_mj,
              {.unit = "mJ", .min = 0, .max = 1e12, .doc = "Energy of that."}),
        field(
            "radio_mj", &P::radio_mj,
            {.unit = "mJ",
             .min = 0,
             .max = 1e12,
             .doc = "Energy of a packet: what the gateway sends to one server at one time, or the "
                    "answers of one batch."})};
  }
};

}  // namespace kvsim
