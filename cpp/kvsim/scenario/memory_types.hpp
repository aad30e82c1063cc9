// How a replica's KV memory is handed out and taken back, as parts of a scenario.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>

#include "kvsim/kv/placement/placements.hpp"
#include "kvsim/scenario/field.hpp"

namespace kvsim {

// ---- allocators ----

struct PagedAllocator {
  static constexpr std::string_view kind = "paged";
  static constexpr std::string_view type_name = "PagedAllocator";
  static constexpr std::string_view doc =
      "Blocks of block_size tokens, taken as a request grows (vLLM).";
  static constexpr auto fields() { return std::tuple{}; }
};

enum class Reservation : std::uint8_t { max, pow2, oracle, fraction };
template <>
struct EnumNames<Reservation> {
  static constexpr std::string_view name = "Reservation";
  static constexpr std::pair<Reservation, std::string_view> values[] = {
      {Reservation::max, "max"},
      {Reservation::pow2, "pow2"},
      {Reservation::oracle, "oracle"},
      {Reservation::fraction, "fraction"}};
};

struct ContiguousAllocator {
  Reservation reservation = Reservation::max;
  double fraction = 1.0;
  std::optional<std::int64_t> max_tokens;
  Placement placement = Placement{};

  // Slots reserved for a request that will fill `needed`: its outputs but the last, and its prompt.
  [[nodiscard]] std::int64_t slots(std::int64_t prompt_tokens, std::int64_t needed,
                                   std::int64_t max_model_len) const;

  static constexpr std::string_view kind = "contiguous";
  static constexpr std::string_view type_name = "ContiguousAllocator";
  static constexpr std::string_view doc =
      "One contiguous piece of memory a request, reserved when it is admitted (Orca, "
      "FasterTransformer). It never runs out, so nobody is preempted; there is no prefix cache.";
  static constexpr auto fields() {
    using C = ContiguousAllocator;
    return std::tuple{
        field(
            "reservation", &C::reservation,
            {.doc = "How much: max, the longest request that is allowed; pow2, the prompt and the "
                    "output's true length rounded up to a power of two; oracle, the true length; "
                    "fraction, something between the true length and max."}),
        field("fraction", &C::fraction,
              {.min = 0,
               .max = 1,
               .doc = "Of reservation fraction: 0 reserves the true length, 1 the maximum."}),
        field(
            "max_tokens", &C::max_tokens,
            {.unit = "tokens",
             .min = 1,
             .max = 1 << 30,
             .doc = "Most output tokens that a request may ask for, so that max is its prompt plus "
                    "these; null: max is max_model_len."}),
        field("placement", &C::placement, {.doc = "Which free piece a request gets."})};
  }
  void validate(std::string_view path) const;
};

using KvAllocator = std::variant<PagedAllocator, ContiguousAllocator>;

// ---- batching ----

struct ContinuousBatching {
  static constexpr std::string_view kind = "continuous";
  static constexpr std::string_view type_name = "ContinuousBatching";
  static constexpr std::string_view doc =
      "Requests join and leave the batch at every step (iteration-level scheduling: Orca, vLLM).";
  static constexpr auto fields() { return std::tuple{}; }
};

struct StaticBatching {
  double window_ms = 0;
  static constexpr std::string_view kind = "static";
  static constexpr std::string_view type_name = "StaticBatching";
  static constexpr std::string_view doc =
      "Request-level batches (FasterTransformer): when the engine is idle, up to max_num_seqs "
      "waiting requests start together, run until the longest is done and are answered all at "
      "once.";
  static constexpr auto fields() {
    return std::tuple{
        field("window_ms", &StaticBatching::window_ms,
              {.unit = "ms",
               .min = 0,
               .max = 1e9,
               .doc = "How long the first request of a batch waits for others, unless "
                      "max_num_seqs are there before."})};
  }
};

using Batching = std::variant<ContinuousBatching, StaticBatching>;

// ---- preemption ----

enum class PreemptionMode : std::uint8_t { recompute, swap, none };
template <>
struct EnumNames<PreemptionMode> {
  static constexpr std::string_view name = "PreemptionMode";
  static constexpr std::pair<PreemptionMode, std::string_view> values[] = {
      {PreemptionMode::recompute, "recompute"},
      {PreemptionMode::swap, "swap"},
      {PreemptionMode::none, "none"}};
};

enum class PreemptionVictim : std::uint8_t {
  latest,
  lowest_priority,
  least_work_lost,
  longest_remaining
};
template <>
struct EnumNames<PreemptionVictim> {
  static constexpr std::string_view name = "PreemptionVictim";
  static constexpr std::pair<PreemptionVictim, std::string_view> values[] = {
      {PreemptionVictim::latest, "latest"},
      {PreemptionVictim::lowest_priority, "lowest_priority"},
      {PreemptionVictim::least_work_lost, "least_work_lost"},
      {PreemptionVictim::longest_remaining, "longest_remaining"}};
};

enum class PreemptionLimit : std::uint8_t { wait, reject };
template <>
struct EnumNames<PreemptionLimit> {
  static constexpr std::string_view name = "PreemptionLimit";
  static constexpr std::pair<PreemptionLimit, std::string_view> values[] = {
      {PreemptionLimit::wait, "wait"}, {PreemptionLimit::reject, "reject"}};
};

struct PreemptionSpec {
  PreemptionMode mode = PreemptionMode::recompute;
  std::optional<PreemptionVictim> victim;
  std::optional<std::int64_t> max_per_request;
  std::optional<double> max_per_s;
  PreemptionLimit at_limit = PreemptionLimit::wait;
  double swap_space_gib = 4;
  std::optional<double> swap_gb_per_s;
  bool swap_overlap = false;

  bool operator==(const PreemptionSpec&) const = default;

  static constexpr std::string_view type_name = "Preemption";
  static constexpr std::string_view doc =
      "What happens when a running request needs a KV block and none is free.";
  static constexpr auto fields() {
    using P = PreemptionSpec;
    return std::tuple{
        field(
            "mode", &P::mode,
            {.doc = "recompute: the victim's blocks are freed and computed anew (vLLM); swap: they "
                    "are copied to the host and back; none: a request is admitted only when the "
                    "blocks of its prompt and max_tokens are free, and takes them all."}),
        field("victim", &P::victim,
              {.doc =
                   "latest admission, lowest_priority, least_work_lost (fewest computed tokens) or "
                   "longest_remaining (most output tokens to come, by max_tokens); null = as vLLM: "
                   "latest with scheduling_policy fcfs, lowest_priority with priority."}),
        field(
            "max_per_request", &P::max_per_request,
            {.min = 0, .max = 1 << 30, .doc = "Preemption budget of a request. Null = no limit."}),
        field("max_per_s", &P::max_per_s,
              {.unit = "1/s",
               .min = 0,
               .max = 1e9,
               .exclusive_min = true,
               .doc = "Preemption budget of the replica: two are at least 1/max_per_s apart. Null "
                      "= no limit."}),
        field(
            "at_limit", &P::at_limit,
            {.doc = "wait: a request that has used up max_per_request waits until all that it may "
                    "still need is free and then keeps it, and whoever needs a block within "
                    "1/max_per_s waits; reject: a victim without budget, or who needs a block "
                    "within 1/max_per_s, is turned away with what it has so far."}),
        field("swap_space_gib", &P::swap_space_gib,
              {.unit = "GiB",
               .min = 0,
               .max = 1e6,
               .doc = "Host memory for swapped blocks, a GPU; a "
                      "victim that does not fit is recomputed."}),
        field(
            "swap_gb_per_s", &P::swap_gb_per_s,
            {.unit = "GB/s",
             .min = 0,
             .max = 1e6,
             .exclusive_min = true,
             .doc = "Bandwidth between GPU and host, a GPU and direction; null = the GPU's PCIe."}),
        field("swap_overlap", &P::swap_overlap,
              {.doc = "Transfers run beside the step and lengthen it only by what exceeds it; else "
                      "they come before it."})};
  }
};

// ---- what is recorded of memory ----

enum class RecordMemory : std::uint8_t { none, classes, heatmap };
template <>
struct EnumNames<RecordMemory> {
  static constexpr std::string_view name = "RecordMemory";
  static constexpr std::pair<RecordMemory, std::string_view> values[] = {
      {RecordMemory::none, "none"},
      {RecordMemory::classes, "classes"},
      {RecordMemory::heatmap, "heatmap"}};
};

}  // namespace kvsim
