#include "kvsim/server/ledger.hpp"

#include <algorithm>

#include "kvsim/core/error.hpp"

namespace kvsim {

Ledger::Ledger(const RequestTable& table, bool waterfall, bool queued, Control control)
    : waterfall_(waterfall), queued_(queued) {
  const auto size = [&](auto&... column) {
    const auto resize = [&](auto& c) {
      control.poll();  // the first touch of so much memory takes a while
      c.resize(static_cast<std::size_t>(table.size()));
    };
    (resize(column), ...);
  };
  RequestColumns& c = columns;
  size(c.arrival_ns, c.scheduled_ns, c.first_token_ns, c.finish_ns, c.output_tokens);
  size(c.num_preemptions, c.cached_tokens, last_token_ns_);
  if (!waterfall) return;
  size(c.host_ns, c.compute_ns, c.hbm_ns, c.comm_ns, c.preempted_ns, c.redo_ns, c.bubble_ns);
  size(redoing_);
}

void Ledger::keep_first_tokens() {
  if (!waterfall_) return;
  RequestColumns& c = columns;
  for (auto* column : {&c.ttft_host_ns, &c.ttft_compute_ns, &c.ttft_hbm_ns, &c.ttft_comm_ns,
                       &c.ttft_preempted_ns, &c.ttft_redo_ns, &c.ttft_bubble_ns}) {
    column->resize(c.host_ns.size());
  }
  first_tokens_ = true;
}

// What the columns would be if the request finished now: terms that are open are closed, or a redo
// that goes on. Batch by batch all is booked but for the time since the batch's end. Columns that
// stay 0 are left alone.
void Ledger::split_first_token(std::uint32_t r, const Terms& opened) {
  RequestColumns& c = columns;
  Terms open = opened;
  if (queued_ || c.num_preemptions[r] != 0) {
    const Ns since = now_ - mark_ns(r);
    const bool redo = !queued_ && redoing_[r] != 0;
    if (redo) open = {};
    c.ttft_preempted_ns[r] = c.preempted_ns[r];
    c.ttft_redo_ns[r] = c.redo_ns[r] + (redo ? since : 0);
    c.ttft_bubble_ns[r] = c.bubble_ns[r] + (queued_ ? since : 0);
  }
  c.ttft_host_ns[r] = c.host_ns[r] + open.host_ns;
  c.ttft_compute_ns[r] = c.compute_ns[r] + open.compute_ns;
  c.ttft_hbm_ns[r] = c.hbm_ns[r] + open.hbm_ns;
  c.ttft_comm_ns[r] = c.comm_ns[r] + open.comm_ns;
}

void Ledger::rejected(std::uint32_t r, std::int64_t outputs) {
  if (redoing(r)) end_redo(r);
  if (outputs == 0) {  // it has no first token: that moment is its end, too
    columns.first_token_ns[r] = now_;
    if (first_tokens_) split_first_token(r, totals.terms);
  }
  finished(r, outputs);
  --totals.completed;
  totals.output_tokens -= outputs;
  ++totals.rejected;
  columns.outcome.resize(columns.finish_ns.size());  // the others complete
  columns.outcome[r] = static_cast<std::uint8_t>(Outcome::rejected);
}

void Ledger::add_row() {
  columns.arrival_ns.push_back(0);
  columns.scheduled_ns.push_back(0);
  columns.first_token_ns.push_back(0);
  columns.finish_ns.push_back(0);
  columns.output_tokens.push_back(0);
  columns.num_preemptions.push_back(0);
  columns.cached_tokens.push_back(0);
  last_token_ns_.push_back(0);
  if (!waterfall_) return;
  for (auto* column : {&columns.host_ns, &columns.compute_ns, &columns.hbm_ns, &columns.comm_ns,
                       &columns.preempted_ns, &columns.redo_ns, &columns.bubble_ns}) {
    column->push_back(0);
  }
  redoing_.push_back(0);
  if (!first_tokens_) return;
  for (auto* column : {&columns.ttft_host_ns, &columns.ttft_compute_ns, &columns.ttft_hbm_ns,
                       &columns.ttft_comm_ns, &columns.ttft_preempted_ns, &columns.ttft_redo_ns,
                       &columns.ttft_bubble_ns}) {
    column->push_back(0);
  }
}

// Time between the request's batches, and the time that its batch waited for a stage, is bubble.
// Two of its batches (chunks of one prompt) may overlap in a pipeline: the later one counts only
// for what lies behind the earlier one's end, its terms in proportion.
void Ledger::batch_ended(std::uint32_t r, Ns start, Ns end, const Terms& terms, bool samples) {
  if (!waterfall_) return;
  const Ns mark = mark_ns(r);
  mark_ns(r) = end;
  if (redoing_[r] != 0) {
    columns.redo_ns[r] += end - mark;
    if (samples) redoing_[r] = 0;
    return;
  }
  const Ns segment = end - std::max(start, mark);
  const Ns duration = terms.total();
  Terms share = terms;
  if (segment < duration) {
    const auto part = [&](Ns x) { return static_cast<Ns>(Int128{x} * segment / duration); };
    share = {part(terms.host_ns), 0, part(terms.hbm_ns), part(terms.comm_ns)};
    share.compute_ns = segment - share.total();
  }
  columns.host_ns[r] += share.host_ns;
  columns.compute_ns[r] += share.compute_ns;
  columns.hbm_ns[r] += share.hbm_ns;
  columns.comm_ns[r] += share.comm_ns;
  columns.bubble_ns[r] += end - mark - share.total();
}

void Ledger::first_token_in_batch(std::uint32_t r, Ns start, Ns end, const Terms& terms,
                                  const Terms& sums, Ns bubble) {
  RequestColumns& c = columns;
  c.first_token_ns[r] = last_token_ns_[r] = now_;
  if (!waterfall_) return;
  const Terms own = {c.host_ns[r] + terms.host_ns, c.compute_ns[r] + terms.compute_ns,
                     c.hbm_ns[r] + terms.hbm_ns, c.comm_ns[r] + terms.comm_ns};
  const Ns waited = start - mark_ns(r);
  mark_ns(r) = end;
  if (first_tokens_) {
    c.ttft_host_ns[r] = own.host_ns;
    c.ttft_compute_ns[r] = own.compute_ns;
    c.ttft_hbm_ns[r] = own.hbm_ns;
    c.ttft_comm_ns[r] = own.comm_ns;
    // Mostly nothing: then the column's memory is left alone.
    const Ns ttft_bubble = c.bubble_ns[r] + waited + (now_ - end);
    if (ttft_bubble != 0) c.ttft_bubble_ns[r] = ttft_bubble;
    if (c.num_preemptions[r] != 0) {
      c.ttft_preempted_ns[r] = c.preempted_ns[r];
      c.ttft_redo_ns[r] = c.redo_ns[r];
    }
  }
  c.host_ns[r] = own.host_ns - sums.host_ns;
  c.compute_ns[r] = own.compute_ns - sums.compute_ns;
  c.hbm_ns[r] = own.hbm_ns - sums.hbm_ns;
  c.comm_ns[r] = own.comm_ns - sums.comm_ns;
  if (waited != bubble) c.bubble_ns[r] += waited - bubble;
}

void Ledger::check_little() const {
  if (totals.waiting_integral + totals.running_integral != sojourn_) {
    fail(ErrorKind::invariant,
         "Little's law: the integral of requests in the system differs from "
         "the sum of their sojourn times");
  }
}

void Ledger::check_memory(std::int64_t slots) const {
  if (totals.memory.total() != Int128{slots} * (totals.end_ns - totals.start_ns)) {
    fail(ErrorKind::invariant, "the classes of the KV memory do not add up to the pool");
  }
}

}  // namespace kvsim
