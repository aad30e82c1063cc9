#include "kvsim/server/step_recorder.hpp"

namespace kvsim {

void StepRecorder::step(const Row& row, const std::vector<Preempted>& preempted) {
  steps.t_ns.push_back(row.t_ns);
  steps.dur_ns.push_back(row.terms.total());
  steps.host_ns.push_back(row.terms.host_ns);
  steps.compute_ns.push_back(row.terms.compute_ns);
  steps.hbm_ns.push_back(row.terms.hbm_ns);
  steps.comm_ns.push_back(row.terms.comm_ns);
  steps.scheduled.push_back(narrow(row.scheduled));
  steps.tokens.push_back(narrow(row.tokens));
  steps.context.push_back(row.context);
  steps.running.push_back(narrow(row.running));
  steps.waiting.push_back(narrow(row.waiting));
  steps.free_blocks_scheduled.push_back(narrow(row.free_scheduled));
  steps.preempted.push_back(narrow(static_cast<std::int64_t>(preempted.size())));
  if (!entries_on_) return;
  steps.blocks_hash.push_back(hash_);
  hash_ = offset_basis;
  last_scheduled_ = scheduled_;
  scheduled_ = 0;
  if (steps.preempted_offset.empty()) steps.preempted_offset.push_back(0);
  for (const Preempted& p : preempted) {
    steps.preempted_request.push_back(static_cast<std::int32_t>(p.id));
    steps.preempted_computed.push_back(p.computed);
    steps.preempted_in_flight.push_back(p.in_flight);
  }
  steps.preempted_offset.push_back(static_cast<std::int64_t>(steps.preempted_request.size()));
}

}  // namespace kvsim
