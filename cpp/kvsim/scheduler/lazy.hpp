// Requests that decode, held lazily. Each step gives every one of them one token, so per step only
// a counter moves. Which of them need a block comes from buckets keyed by position modulo block
// size, which finish from a wheel keyed by step. The state of a single request is written out
// (materialised) only when something else happens to it.
//
// While r is lazy, seqs[r].computed holds C - step() and its table has ceil(C / block_size) blocks.
// `lag` is 0 for the synchronous engine, where T = C + 1 when a step is scheduled, and 1 for the
// asynchronous one, where the last sampled token is not known yet and T = C. Keys exist for known
// tokens only, so there a block is published one step later.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kvsim/scheduler/finish_wheel.hpp"
#include "kvsim/scheduler/state.hpp"
#include "kvsim/scheduler/waste_ring.hpp"

namespace kvsim {

// (order << 32 | id): sorts by place in `running`.
using OrderedId = std::uint64_t;
inline OrderedId ordered(const Seq& q, RequestId r) { return (std::uint64_t{q.order} << 32) | r; }
inline RequestId id_of(OrderedId x) { return static_cast<RequestId>(x); }

inline void insert_ordered(std::vector<OrderedId>& v, OrderedId x) {
  if (v.empty() || v.back() < x) {
    v.push_back(x);
  } else {
    v.insert(std::lower_bound(v.begin(), v.end(), x), x);
  }
}
inline void erase_ordered(std::vector<OrderedId>& v, OrderedId x) {
  const auto at = std::lower_bound(v.begin(), v.end(), x);
  if (at != v.end() && *at == x) v.erase(at);
}

template <class Pool>
class LazyDecodes {
 public:
  LazyDecodes(SchedulerState<Pool>& state, std::int64_t longest_output, std::int64_t lag = 0)
      : s_(state),
        lag_(lag),
        block_size_(state.cfg.block_size),
        wheel_(longest_output),
        takers_(static_cast<std::size_t>(block_size_)),
        needs_(static_cast<std::size_t>(block_size_)),
        publishers_(Pool::has_cache ? static_cast<std::size_t>(block_size_) : 0) {}

  [[nodiscard]] std::int64_t count() const { return count_; }
  // Sum of contexts (computed before + 1) of the next step.
  [[nodiscard]] std::int64_t context() const { return context_; }
  [[nodiscard]] std::int64_t step() const { return step_; }
  [[nodiscard]] std::int64_t next_finish() const { return wheel_.next_after(step_); }
  // Who needs a block in the next step.
  [[nodiscard]] const std::vector<OrderedId>& takers() const {
    return takers_[static_cast<std::size_t>(step_mod_)];
  }
  [[nodiscard]] bool publishes_next() const {
    if constexpr (Pool::has_cache) return !publishers_[static_cast<std::size_t>(step_mod_)].empty();
    return false;
  }

  [[nodiscard]] std::int32_t computed(const Seq& q) const {
    return static_cast<std::int32_t>(q.computed + step_);
  }

  // next_finish() if q entered and everybody else were further from it.
  [[nodiscard]] std::int64_t finish_of(const Seq& q) const {
    return step_ + std::min<std::int64_t>(q.limit - 1 - q.computed, wheel_.reach());
  }

  // r samples in every step from the next on; the steps until its last token are known.
  void enter(RequestId r) {
    Seq& q = s_.seqs[r];
    const std::int64_t c = q.computed;
    wheel_.insert(s_.seqs, r, step_, step_ + (q.limit - 1 - c));
    if (!q.reserved) {
      const std::size_t when = bucket(-c);
      insert_ordered(takers_[when], ordered(q, r));
      ++needs_[when];
    }
    if constexpr (Pool::has_cache) {
      if (q.shared > ceil_div(keyed(c), block_size_) - 1) {
        insert_ordered(publishers_[bucket(-keyed(c))], ordered(q, r));
      }
    }
    if (s_.metered) [[unlikely]]
      expect_waste(q, c, 1);
    q.computed = static_cast<std::int32_t>(c - step_);
    q.lazy = true;
    ++count_;
    context_ += c + 1;
  }

  // Writes r's state out; the caller removes it from the wheel if it is still there.
  void leave(RequestId r) {
    Seq& q = s_.seqs[r];
    const std::int64_t c = computed(q);
    if (!q.reserved) {
      const std::size_t when = bucket(-c);
      erase_ordered(takers_[when], ordered(q, r));
      --needs_[when];
    }
    if constexpr (Pool::has_cache) {
      if (q.shared > 0) erase_ordered(publishers_[bucket(-keyed(c))], ordered(q, r));
    }
    if (s_.metered) [[unlikely]]
      expect_waste(q, c, -1);
    write_out(q, c);
    --count_;
    context_ -= c + 1;
  }
  void leave_wheel(RequestId r) {
    const Seq& q = s_.seqs[r];
    wheel_.erase(s_.seqs, r, step_, step_ + q.limit - (computed(q) + 1));
  }

  // Writes all out, to hand over to the definition. `now` is when each sampled last.
  void materialise(Ns now) {
    for (const RequestId r : s_.running) {
      Seq& q = s_.seqs[r];
      if (!q.live || !q.lazy) continue;
      leave_wheel(r);
      leave(r);
      s_.ledger->set_last_token(r, now);
    }
    reset_step();
  }
  void reset_step() { step_ = step_mod_ = 0; }  // nobody is lazy

  // One step of all lazy requests: they have their blocks.
  void advance() {
    context_ += count_;
    ++step_;
    if (++step_mod_ == block_size_) step_mod_ = 0;
  }

  // The same for `steps` of them.
  void advance(std::int64_t steps) {
    context_ += count_ * steps;
    step_ += steps;
    step_mod_ = (step_mod_ + steps) % block_size_;
  }
  // How many blocks each of the next steps needs, by the step modulo block size; step_mod() is
  // where the next one stands.
  [[nodiscard]] const std::int32_t* needs() const { return needs_.data(); }
  [[nodiscard]] std::int64_t step_mod() const { return step_mod_; }

  // Blocks for takers(): the pool has enough.
  void take_blocks() {
    if constexpr (Pool::has_regions) return;  // nothing is taken later
    const auto& who = takers();
    if constexpr (Pool::has_ids) {
      for (const OrderedId x : who) take_block(s_.seqs[id_of(x)]);
    } else {
      s_.pool.take(static_cast<std::int64_t>(who.size()));
      if (s_.metered) {
        s_.table_blocks += static_cast<std::int64_t>(who.size());
        s_.wasted_slots += waste_.take(step_);
        show_counted(who);
      }
    }
  }
  void take_block(const Seq& q) {
    if (s_.metered) meter_block(q);
    if constexpr (Pool::has_ids) {
      s_.pool.take(1, s_.tables.at(q.table) + computed(q) / block_size_);
    } else {
      s_.pool.take(1);
    }
    if (s_.metered) s_.show_blocks(q, computed(q) / block_size_, 1);
  }

  // Publishes the blocks that the next step's tokens fill, as far as others share their keys.
  void publish_blocks() {
    if constexpr (Pool::has_cache) {
      auto& who = publishers_[static_cast<std::size_t>(step_mod_)];
      std::size_t kept = 0;
      for (const OrderedId x : who) {
        const RequestId r = id_of(x);
        const Seq& q = s_.seqs[r];
        const std::int64_t j = keyed(computed(q)) / block_size_ - 1;
        if (j >= q.shared) continue;
        if (j >= q.published) s_.pool.publish(s_.tables.at(q.table)[j], s_.requests.keys.of(r)[j]);
        if (j + 1 < q.shared) who[kept++] = x;
      }
      who.resize(kept);
    }
  }

  // Appends to `out` those whose last token was sampled by the step just advanced; they have left.
  void collect_finished(std::vector<OrderedId>& out) {
    wheel_.drain(s_.seqs, step_, [&](RequestId r) {
      Seq& q = s_.seqs[r];
      const std::int64_t left = q.limit - (computed(q) + 1);
      if (left > 0) {
        wheel_.insert(s_.seqs, r, step_, step_ + left);
        return;
      }
      leave(r);
      out.push_back(ordered(q, r));
    });
  }

 private:
  [[nodiscard]] std::size_t bucket(std::int64_t ahead) const {
    const std::int64_t m = (step_mod_ + ahead) % block_size_;
    return static_cast<std::size_t>(m < 0 ? m + block_size_ : m);
  }
  // Tokens with a key once the next step is allocated: min(C + 1, T).
  [[nodiscard]] std::int64_t keyed(std::int64_t c) const { return c + 1 - lag_; }
  // The block of a taker's next token: the blocks before it are full.
  void meter_block(const Seq& q) {
    ++s_.table_blocks;
    const std::int64_t waste = computed(q) + block_size_ - (q.limit - 1);
    if (waste <= 0) return;
    s_.wasted_slots += waste;
    waste_.add(step_, step_, -waste);
  }
  // What q's last block will waste is due when it takes that, if it has not; sign 1 or -1.
  [[gnu::noinline]] void expect_waste(const Seq& q, std::int64_t c, int sign) {
    const std::int64_t last_block = (q.limit - 2) / block_size_ * block_size_;
    if (q.reserved || c > last_block) return;
    waste_.add(step_, step_ + last_block - c, sign * (last_block + block_size_ - (q.limit - 1)));
  }
  // The takers have taken a block each, in this order.
  void show_counted(const std::vector<OrderedId>& who) {
    const std::int64_t free = s_.pool.free();
    if (free >= s_.rows.reach()) return;
    const auto n = static_cast<std::int64_t>(who.size());
    s_.rows.took_counted(free + n, free, [&](std::int64_t i) {
      const Seq& q = s_.seqs[id_of(who[static_cast<std::size_t>(i)])];
      return s_.holding(q, computed(q) / block_size_);
    });
  }
  void write_out(Seq& q, std::int64_t c) {
    q.computed = static_cast<std::int32_t>(c);
    q.known = static_cast<std::int32_t>(c + 1 - lag_);
    if (!q.reserved) q.blocks = static_cast<std::int32_t>(ceil_div(c, block_size_));
    if (s_.cfg.prefix_caching) {
      q.published = std::max(q.published, static_cast<std::int32_t>((c - lag_) / block_size_));
    }
    q.lazy = false;
    q.chunking = false;
  }

  SchedulerState<Pool>& s_;
  std::int64_t lag_;
  std::int64_t block_size_;
  std::int64_t count_ = 0;
  std::int64_t context_ = 0;
  std::int64_t step_ = 0;
  std::int64_t step_mod_ = 0;  // step_ modulo block size
  FinishWheel wheel_;
  std::vector<std::vector<OrderedId>> takers_;      // by the step modulo block size that needs
  std::vector<std::int32_t> needs_;                 // a block; how many do
  std::vector<std::vector<OrderedId>> publishers_;  // by the step that fills a shared block
  WasteRing waste_;                                 // if metered
};

}  // namespace kvsim
