// Books of a run: what happened to each request and when, and where its time went. Running sums of
// the steps' terms make each request's waterfall O(1) per admission, preemption and finish.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kvsim/core/control.hpp"
#include "kvsim/result.hpp"
#include "kvsim/workload/request_table.hpp"

namespace kvsim {

class Ledger {
 public:
  Ledger(const RequestTable& table, bool waterfall, bool queued = false, Control control = {});
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Splits TTFT too, where the waterfall is kept; no figure of a summary needs it.
  void keep_first_tokens();

  // The clock: the start of a step while it is scheduled, its end while its output is processed.
  [[nodiscard]] Ns now() const { return now_; }
  void set_clock(Ns t) { now_ = t; }
  void end_step(const Terms& terms) {
    totals.terms += terms;
    now_ += terms.total();
  }

  [[nodiscard]] Ns arrival_ns(std::uint32_t r) const { return columns.arrival_ns[r]; }
  [[nodiscard]] Ns last_token_ns(std::uint32_t r) const { return last_token_ns_[r]; }
  [[nodiscard]] Ns* last_tokens() { return last_token_ns_.data(); }  // by request
  void set_last_token(std::uint32_t r, Ns t) { last_token_ns_[r] = t; }

  void arrived(std::uint32_t r, Ns arrival) {
    columns.arrival_ns[r] = arrival;
    if (num_arrived_++ == gaps_from_) *itl_ = ItlHistogram{};
  }
  // The next arrivals may have gaps counted anew.
  [[nodiscard]] bool awaits_gaps() const { return num_arrived_ <= gaps_from_; }
  // Counts gaps from the step on that sees this arrival (a number, by order) first.
  void count_gaps_from(std::int64_t arrival) { gaps_from_ = arrival; }
  // Counts gaps there from now on.
  void count_gaps_in(ItlHistogram& all) { itl_ = &all; }

  void admitted(std::uint32_t r, std::int64_t hit_tokens, std::int64_t known, bool resumed) {
    if (!resumed) {
      columns.scheduled_ns[r] = now_;
      columns.cached_tokens[r] = static_cast<std::int32_t>(hit_tokens);
      totals.prefix_query_tokens += known;
      totals.prefix_hit_tokens += hit_tokens;
      if (waterfall_ && !queued_) open_terms(r);
    } else if (waterfall_ && !queued_) {
      columns.preempted_ns[r] += now_ - mark_ns(r);
      mark_ns(r) = now_;
      redoing_[r] = 1;
    }
  }

  // The request has all its known tokens computed and samples. `gap` counts as one ITL unless this
  // is its first token.
  void sampled_alone(std::uint32_t r, bool first) {
    sampled_in_batch(r, first, totals.terms);
    if (waterfall_ && redoing_[r] != 0) end_redo(r);
  }
  // `open`: what the request's terms were opened with and is not closed yet, with batches in
  // flight.
  void sampled_in_batch(std::uint32_t r, bool first, const Terms& open = {}) {
    if (first) {
      columns.first_token_ns[r] = now_;
      if (first_tokens_) split_first_token(r, open);
    } else {
      itl_->add(now_ - last_token_ns_[r], 1);
    }
    last_token_ns_[r] = now_;
  }
  [[nodiscard]] bool redoing(std::uint32_t r) const { return waterfall_ && redoing_[r] != 0; }
  void end_redo(std::uint32_t r) {
    columns.redo_ns[r] += now_ - mark_ns(r);
    redoing_[r] = 0;
    open_terms(r);
  }

  void preempted(std::uint32_t r) {
    ++totals.preemptions;
    ++columns.num_preemptions[r];
    if (!waterfall_ || queued_) return;
    if (redoing_[r] != 0) {
      columns.redo_ns[r] += now_ - mark_ns(r);
      redoing_[r] = 0;
    } else {
      close_terms(r);
    }
    mark_ns(r) = now_;
  }

  void finished(std::uint32_t r, std::int64_t outputs) {
    if (waterfall_ && queued_ && now_ != mark_ns(r)) columns.bubble_ns[r] += now_ - mark_ns(r);
    if (waterfall_ && !queued_) close_terms(r);
    columns.finish_ns[r] = now_;
    columns.output_tokens[r] = static_cast<std::int32_t>(outputs);
    totals.end_ns = now_;
    ++totals.completed;
    totals.output_tokens += outputs;
    sojourn_ += now_ - columns.arrival_ns[r];
  }

  // Turned away while it was running: it ends here, with the tokens it has.
  void rejected(std::uint32_t r, std::int64_t outputs);
  [[nodiscard]] bool was_rejected(std::uint32_t r) const {
    return r < columns.outcome.size() &&
           columns.outcome[r] == static_cast<std::uint8_t>(Outcome::rejected);
  }

  // With batches in flight a request's time is booked batch by batch, as their output is processed.
  // The batch runs over [start, end]; a request new or resumed in it was waiting until start.
  void batch_began(std::uint32_t r, Ns start, bool resumed) {
    if (!resumed) columns.scheduled_ns[r] = start;
    if (!waterfall_) return;
    if (resumed) {
      columns.preempted_ns[r] += start - mark_ns(r);
      redoing_[r] = 1;
    }
    mark_ns(r) = start;
  }
  // Batches in flight, lazily: what r has of its batches is the growth of these sums from opening
  // to closing them. It is booked up to the end of the one that landed last.
  void open_batches(std::uint32_t r, const Terms& sums, Ns bubble) {
    if (!waterfall_) return;
    add_terms(r, Terms{} - sums);
    columns.bubble_ns[r] -= bubble;
  }
  void close_batches(std::uint32_t r, const Terms& sums, Ns bubble, Ns end) {
    if (!waterfall_) return;
    add_terms(r, sums);
    if (bubble != 0) columns.bubble_ns[r] += bubble;
    mark_ns(r) = end;
  }
  // batch_ended(), sampled_in_batch() of a first token and open_batches() in one, for a batch that
  // started after the request's last one ended.
  void first_token_in_batch(std::uint32_t r, Ns start, Ns end, const Terms& terms,
                            const Terms& sums, Ns bubble);
  // Up to where the time of a request in flight is booked.
  [[nodiscard]] Ns booked_until(std::uint32_t r) const {
    return waterfall_ ? columns.finish_ns[r] : 0;
  }
  void batch_ended(std::uint32_t r, Ns start, Ns end, const Terms& terms, bool samples);

  // One more request, in a fleet.
  void add_row();
  // It will not be served any further.
  void dropped(std::uint32_t r) { sojourn_ += now_ - columns.arrival_ns[r]; }

  // A step whose collectives would take `full_ns` at the whole bisection bandwidth.
  void used_bisection(double full_ns, Ns duration) {
    if (duration <= 0) return;
    totals.peak_bisection_utilization =
        std::max(totals.peak_bisection_utilization, full_ns / static_cast<double>(duration));
  }

  // Little's law on the whole run, exactly: the time integral of requests in the system, taken step
  // by step, is the sum of their sojourn times.
  void check_little() const;
  // The classes of the memory of so many slots, summed over time, are the memory times the duration
  // of the run, or a slot was lost.
  void check_memory(std::int64_t slots) const;

  [[nodiscard]] ItlHistogram& itl() { return *itl_; }

  RequestColumns columns;
  RunTotals totals;

 private:
  // Time of the last change of phase. A request that has not finished uses its finish cell for it.
  Ns& mark_ns(std::uint32_t r) { return columns.finish_ns[r]; }
  void split_first_token(std::uint32_t r, const Terms& opened);
  void open_terms(std::uint32_t r) { add_terms(r, Terms{} - totals.terms); }
  void close_terms(std::uint32_t r) { add_terms(r, totals.terms); }
  void add_terms(std::uint32_t r, const Terms& t) {
    columns.host_ns[r] += t.host_ns;
    columns.compute_ns[r] += t.compute_ns;
    columns.hbm_ns[r] += t.hbm_ns;
    columns.comm_ns[r] += t.comm_ns;
  }

  bool waterfall_;
  bool queued_;  // batches in flight
  bool first_tokens_ = false;
  Ns now_ = 0;
  std::int64_t num_arrived_ = 0;
  std::int64_t gaps_from_ = -1;
  Int128 sojourn_ = 0;
  ItlHistogram own_itl_;
  ItlHistogram* itl_ = &own_itl_;
  std::vector<Ns> last_token_ns_;
  std::vector<std::uint8_t> redoing_;
};

}  // namespace kvsim
