#include "kvsim/server/ledger.hpp"

#include <algorithm>

#include "kvsim/core/error.hpp"

namespace kvsim {

Ledger::Ledger(const RequestTable& table, bool waterfall, bool queued)
    : waterfall_(waterfall), queued_(queued) {
  const auto n = static_cast<std::size_t>(table.size());
  columns.arrival_ns.resize(n);
  columns.scheduled_ns.resize(n);
  columns.first_token_ns.resize(n);
  columns.finish_ns.resize(n);
  columns.output_tokens.resize(n);
  columns.num_preemptions.resize(n);
  columns.cached_tokens.resize(n);
  last_token_ns_.resize(n);
  if (!waterfall) return;
  columns.host_ns.resize(n);
  columns.compute_ns.resize(n);
  columns.hbm_ns.resize(n);
  columns.comm_ns.resize(n);
  columns.preempted_ns.resize(n);
  columns.redo_ns.resize(n);
  columns.bubble_ns.resize(n);
  redoing_.resize(n);
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

void Ledger::check_little() const {
  if (totals.waiting_integral + totals.running_integral != sojourn_) {
    fail(ErrorKind::invariant,
         "Little's law: the integral of requests in the system differs from "
         "the sum of their sojourn times");
  }
}

}  // namespace kvsim
