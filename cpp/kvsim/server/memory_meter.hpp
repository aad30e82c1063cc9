// Books of the KV memory: how many slots are in which class (result.hpp, MemorySlots). Used only
// with record_memory; the classes sum to the pool at every moment (Ledger::check_memory).
#pragma once

#include <cstdint>

#include "kvsim/scheduler/state.hpp"

namespace kvsim {

template <class Pool>
class MemoryMeter {
 public:
  explicit MemoryMeter(const SchedulerState<Pool>& state) : s_(state) {}

  [[nodiscard]] bool on() const { return s_.metered; }

  // The classes while a step runs, `tokens` being computed by its end in all running requests.
  [[nodiscard]] MemorySlots classes(std::int64_t tokens) const {
    MemorySlots c;
    const std::int64_t block_size = s_.cfg.block_size;
    std::int64_t free = 0;
    if constexpr (Pool::has_regions) {
      const std::int64_t reserved = s_.pool.reserved_slots();
      free = s_.pool.free_slots();
      c.tokens = tokens;
      c.reserved = s_.pool.needed_slots() - tokens;
      c.internal = reserved - s_.pool.needed_slots();
      c.rounding = s_.pool.usable() * block_size - free - reserved;
    } else {
      // Only full blocks are shared, so what is not filled is counted once.
      const std::int64_t unfilled = s_.table_blocks * block_size - tokens;
      c.tokens = (s_.pool.usable() - s_.pool.free()) * block_size - unfilled;
      c.reserved = unfilled - s_.wasted_slots;
      c.internal = s_.wasted_slots;
      free = s_.pool.free() * block_size;
      if constexpr (Pool::has_cache) {
        if (s_.cfg.prefix_caching) c.cached = s_.pool.cached_free() * block_size;
        free -= c.cached;
      }
    }
    const bool no_room = s_.admission_end == Admission::memory ||
                         s_.admission_end == Admission::preempted || s_.stalled;
    const bool head_waits = !s_.waiting.empty() && no_room;
    (head_waits ? c.external : c.free) = free;
    return c;
  }

 private:
  const SchedulerState<Pool>& s_;
};

}  // namespace kvsim
