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

template <class Pool>
class MemoryMap {
 public:
  static constexpr std::int64_t most_rows = 512;
  static constexpr std::size_t most_columns = 1024;

  MemoryMap(const SchedulerState<Pool>& state, const LazyDecodes<Pool>& lazy)
      : s_(state), lazy_(lazy) {
    if (s_.cfg.record_memory != RecordMemory::heatmap) return;
    slots_ = s_.pool.usable() * s_.cfg.block_size;
    const std::int64_t units = Pool::has_regions ? slots_ : s_.pool.usable();
    rows_ = std::min(most_rows, units);
    if constexpr (Pool::has_ids) row_of_block_.assign(static_cast<std::size_t>(units) + 1, -1);
    for (std::int64_t row = 0; row < rows_; ++row) {
      const std::int64_t unit = (2 * row + 1) * units / (2 * rows_);
      columns.row_slot.push_back(Pool::has_regions ? unit : unit * s_.cfg.block_size);
      if constexpr (Pool::has_ids) {
        row_of_block_[static_cast<std::size_t>(unit) + 1] = static_cast<std::int32_t>(row);
      }
    }
    classes_.resize(static_cast<std::size_t>(rows_));
    owners_.resize(static_cast<std::size_t>(rows_));
    if constexpr (Pool::has_ids) holders_.resize(static_cast<std::size_t>(rows_));
  }

  // The moments begin at `start`; the last arrival is a hint of how far apart they should be.
  void begin(Ns start, Ns last_arrival) {
    origin_ = next_ = start;
    gap_ = std::max<Ns>((last_arrival - start) / static_cast<Ns>(most_columns) + 1, 1000);
  }

  [[nodiscard]] bool on() const { return rows_ > 0; }
  // Whether a moment lies before `until`.
  [[nodiscard]] bool due(Ns until) const { return next_ < until; }

  // The state holds until then.
  void sample(Ns until, const MemoryClasses& slots, const RunTotals& totals) {
    paint(slots.external > 0);
    while (next_ < until) {
      columns.t_ns.push_back(next_);
      columns.preemptions.push_back(static_cast<std::int32_t>(totals.preemptions - preemptions_));
      columns.evictions.push_back(static_cast<std::int32_t>(evictions() - evictions_));
      preemptions_ = totals.preemptions;
      evictions_ = evictions();
      columns.token_slots.push_back(static_cast<std::int64_t>(slots.tokens));
      columns.reserved_slots.push_back(static_cast<std::int64_t>(slots.reserved));
      columns.internal_slots.push_back(static_cast<std::int64_t>(slots.internal));
      columns.rounding_slots.push_back(static_cast<std::int64_t>(slots.rounding));
      columns.external_slots.push_back(static_cast<std::int64_t>(slots.external));
      columns.cached_slots.push_back(static_cast<std::int64_t>(slots.cached));
      columns.free_slots.push_back(static_cast<std::int64_t>(slots.free));
      columns.slot_class.insert(columns.slot_class.end(), classes_.begin(), classes_.end());
      columns.owner.insert(columns.owner.end(), owners_.begin(), owners_.end());
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

  void paint(bool head_waits) {
    const SlotClass idle = head_waits ? SlotClass::external : SlotClass::free;
    std::fill(classes_.begin(), classes_.end(), static_cast<std::uint8_t>(idle));
    std::fill(owners_.begin(), owners_.end(), -1);
    if constexpr (Pool::has_regions) {
      for (const RegionPool::Region& region : s_.pool.regions()) paint_region(region);
    } else if constexpr (Pool::has_ids) {
      if (s_.cfg.prefix_caching) {
        s_.pool.for_each_cached([this](std::uint32_t block) {
          const std::int32_t row = row_of_block_[block];
          if (row >= 0) put(row, SlotClass::cached, -1);
        });
      }
      read_tables();
      for (std::size_t row = 0; row < holders_.size(); ++row) paint_block(row);
    }
  }

  // Tokens whose keys and values are there at the end of the step.
  [[nodiscard]] std::int64_t computed(const Seq& q) const {
    return q.lazy ? lazy_.computed(q) + 1 : q.computed;
  }

  // Tables only grow while their requests run, so each entry is read once an admission, and what a
  // row needs to know is who may hold its block.
  void read_tables() {
    scanned_.resize(s_.seqs.size());
    for (const RequestId r : s_.running) {
      const Seq& q = s_.seqs[r];
      if (!q.live) continue;
      Scan& scan = scanned_[r];
      if (scan.order != q.order) scan = {q.order, 0};
      const std::int64_t blocks = table_length(q);
      const std::uint32_t* table = s_.table(q);
      for (; scan.entries < blocks; ++scan.entries) {
        const std::int32_t row = row_of_block_[table[scan.entries]];
        if (row >= 0) holders_[static_cast<std::size_t>(row)].push_back({r, q.order, scan.entries});
      }
    }
  }

  [[nodiscard]] std::int64_t filled_blocks(const Seq& q) const {
    return ceil_div(computed(q), s_.cfg.block_size);
  }
  [[nodiscard]] std::int64_t table_length(const Seq& q) const {
    return q.lazy && !q.reserved ? filled_blocks(q) : q.blocks;
  }

  // Of several that share a block, the one admitted last owns it.
  void paint_block(std::size_t row) {
    std::vector<Holder>& holders = holders_[row];
    std::erase_if(holders, [this](const Holder& h) {
      const Seq& q = s_.seqs[h.request];
      return !q.live || q.order != h.order;
    });
    if (holders.empty()) return;
    const auto newer = [](const Holder& a, const Holder& b) { return a.order < b.order; };
    const Holder& h = *std::max_element(holders.begin(), holders.end(), newer);
    const Seq& q = s_.seqs[h.request];
    const SlotClass what = h.entry < filled_blocks(q) ? SlotClass::tokens
                           : h.entry < ceil_div(q.limit - 1, s_.cfg.block_size)
                               ? SlotClass::reserved
                               : SlotClass::internal;
    put(static_cast<std::int32_t>(row), what, static_cast<std::int32_t>(h.request));
  }

  void paint_region(const RegionPool::Region& region) {
    const std::int64_t filled = computed(s_.seqs[region.request]);
    const auto first =
        std::lower_bound(columns.row_slot.begin(), columns.row_slot.end(), region.at);
    for (auto slot = first; slot != columns.row_slot.end(); ++slot) {
      const std::int64_t offset = *slot - region.at;
      if (offset >= region.rounded) break;
      put(static_cast<std::int32_t>(slot - columns.row_slot.begin()),
          offset < filled            ? SlotClass::tokens
          : offset < region.needed   ? SlotClass::reserved
          : offset < region.reserved ? SlotClass::internal
                                     : SlotClass::rounding,
          static_cast<std::int32_t>(region.request));
    }
  }

  void put(std::int32_t row, SlotClass what, std::int32_t owner) {
    classes_[static_cast<std::size_t>(row)] = static_cast<std::uint8_t>(what);
    owners_[static_cast<std::size_t>(row)] = owner;
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
    keep(columns.slot_class, static_cast<std::size_t>(rows_));
    keep(columns.owner, static_cast<std::size_t>(rows_));
    gap_ *= 2;
  }

  // Entry `entry` of the request's table was the row's block, in this admission.
  struct Holder {
    RequestId request;
    std::uint32_t order;
    std::int64_t entry;
  };
  // How much of a request's table is read, in this admission.
  struct Scan {
    std::uint32_t order = 0;
    std::int64_t entries = 0;
  };

  const SchedulerState<Pool>& s_;
  const LazyDecodes<Pool>& lazy_;
  std::int64_t slots_ = 0;
  std::int64_t rows_ = 0;  // 0: off
  Ns origin_ = 0;
  Ns gap_ = 0;
  Ns next_ = std::numeric_limits<Ns>::max();
  std::int64_t preemptions_ = 0;
  std::int64_t evictions_ = 0;
  std::vector<std::int32_t> row_of_block_;    // -1: no row shows it
  std::vector<std::vector<Holder>> holders_;  // of each row
  std::vector<Scan> scanned_;                 // of each request
  std::vector<std::uint8_t> classes_;         // of the column being painted
  std::vector<std::int32_t> owners_;
};

}  // namespace kvsim
