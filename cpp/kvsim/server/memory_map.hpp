// The picture of the KV memory over time (record_memory = heatmap), bounded however long the run
// is: a column is the state of the memory at one moment, a row one slot of it. When there are too
// many columns, every second one is dropped and the moments are twice as far apart from then on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kvsim/scheduler/lazy.hpp"
#include "kvsim/scheduler/state.hpp"

namespace kvsim {

// State has cfg, pool, rows and seqs, which say whether they are lazy and else what they have
// computed; Lazy knows it of the lazy ones.
template <class Pool, class State = SchedulerState<Pool>, class Lazy = LazyDecodes<Pool>>
class MemoryMap {
 public:
  static constexpr std::size_t most_columns = 1024;

  MemoryMap(State& state, const Lazy& lazy) : s_(state), lazy_(lazy) {
    if (s_.cfg.record_memory != RecordMemory::heatmap) return;
    const std::int64_t unit = Pool::has_regions ? 1 : s_.cfg.block_size;
    s_.rows.start(s_.pool.usable() * s_.cfg.block_size / unit, unit, s_.seqs.size());
    columns.row_slot = s_.rows.slots();
    columns.slot_class.reserve(most_columns * columns.row_slot.size());
    columns.owner.reserve(most_columns * columns.row_slot.size());
  }

  // The moments begin at `start`; the last arrival is a hint of how far apart they should be.
  void begin(Ns start, Ns last_arrival) {
    origin_ = next_ = start;
    gap_ = std::max<Ns>((last_arrival - start) / static_cast<Ns>(most_columns) + 1, 1000);
  }

  [[nodiscard]] bool on() const { return s_.rows.on(); }
  // Whether a moment lies before `until`.
  [[nodiscard]] bool due(Ns until) const { return next_ < until; }

  // The state holds until then.
  void sample(Ns until, const MemorySlots& slots, const RunTotals& totals) {
    fill();
    while (next_ < until) {
      columns.t_ns.push_back(next_);
      columns.preemptions.push_back(static_cast<std::int32_t>(totals.preemptions - preemptions_));
      columns.evictions.push_back(static_cast<std::int32_t>(evictions() - evictions_));
      preemptions_ = totals.preemptions;
      evictions_ = evictions();
      columns.token_slots.push_back(slots.tokens);
      columns.reserved_slots.push_back(slots.reserved);
      columns.internal_slots.push_back(slots.internal);
      columns.rounding_slots.push_back(slots.rounding);
      columns.external_slots.push_back(slots.external);
      columns.cached_slots.push_back(slots.cached);
      columns.free_slots.push_back(slots.free);
      const auto& classes = s_.rows.classes();
      const auto& owners = s_.rows.owners();
      columns.slot_class.insert(columns.slot_class.end(), classes.begin(), classes.end());
      columns.owner.insert(columns.owner.end(), owners.begin(), owners.end());
      if (slots.external > 0) mark_external();
      if (columns.t_ns.size() == most_columns) halve();
      next_ = origin_ + static_cast<Ns>(columns.t_ns.size()) * gap_;
    }
  }

  HeatmapColumns columns;

 private:
  [[nodiscard]] std::int64_t evictions() const {
    if constexpr (Pool::has_cache) return s_.pool.evictions();
    return 0;
  }

  // Marks what the running requests have filled at the end of the step.
  void fill() {
    const auto computed = [this](std::uint32_t r) -> std::int64_t {
      const auto& q = s_.seqs[r];
      return q.lazy ? lazy_.computed(q) + 1 : q.computed;
    };
    if constexpr (Pool::has_regions) {
      s_.rows.fill(s_.pool.regions(), computed);
    } else {
      s_.rows.fill(s_.cfg.block_size, computed);
    }
  }

  // What is free in the last column does the waiting head of the queue no good.
  void mark_external() {
    const auto rows = static_cast<std::ptrdiff_t>(columns.row_slot.size());
    std::replace(columns.slot_class.end() - rows, columns.slot_class.end(),
                 static_cast<std::uint8_t>(SlotClass::free),
                 static_cast<std::uint8_t>(SlotClass::external));
  }

  // Drops every second column; what happened before a dropped one counts for the next.
  void halve() {
    const auto keep = [](auto& column, std::size_t width) {
      for (std::size_t i = 0; 2 * i < most_columns; ++i) {
        std::copy_n(column.begin() + static_cast<std::ptrdiff_t>(2 * i * width), width,
                    column.begin() + static_cast<std::ptrdiff_t>(i * width));
      }
      column.resize(most_columns / 2 * width);
    };
    for (auto* counts : {&columns.preemptions, &columns.evictions}) {
      for (std::size_t i = 2; i < most_columns; i += 2) (*counts)[i] += (*counts)[i - 1];
    }
    // What the last column counted belongs to the next one that will be written.
    preemptions_ -= columns.preemptions.back();
    evictions_ -= columns.evictions.back();
    keep(columns.t_ns, 1);
    keep(columns.preemptions, 1);
    keep(columns.evictions, 1);
    for (auto* slots : {&columns.token_slots, &columns.reserved_slots, &columns.internal_slots,
                        &columns.rounding_slots, &columns.external_slots, &columns.cached_slots,
                        &columns.free_slots}) {
      keep(*slots, 1);
    }
    keep(columns.slot_class, columns.row_slot.size());
    keep(columns.owner, columns.row_slot.size());
    gap_ *= 2;
  }

  State& s_;
  const Lazy& lazy_;
  Ns origin_ = 0;
  Ns gap_ = 0;
  Ns next_ = std::numeric_limits<Ns>::max();
  std::int64_t preemptions_ = 0;
  std::int64_t evictions_ = 0;
};

}  // namespace kvsim
