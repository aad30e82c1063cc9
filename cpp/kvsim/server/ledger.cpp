#include "kvsim/server/ledger.hpp"

#include "kvsim/core/error.hpp"

namespace kvsim {

Ledger::Ledger(const RequestTable& table, bool waterfall) : waterfall_(waterfall) {
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
  redoing_.resize(n);
}

void Ledger::check_little() const {
  if (totals.waiting_integral + totals.running_integral != sojourn_) {
    fail(ErrorKind::invariant, "Little's law: the integral of requests in the system differs from "
                               "the sum of their sojourn times");
  }
}

}  // namespace kvsim
