#include "kvsim/fleet/fleet.hpp"

namespace kvsim {

Hedging Hedging::from(const HedgeSpec& spec) {
  Hedging h;
  const auto common = [&h](const auto& s) {
    h.on = true;
    h.cancel = s.cancel;
    h.cancel_delay = ns_from_ms(s.cancel_delay_ms);
    h.max_extra = s.max_extra;
  };
  if (const auto* after = std::get_if<HedgeAfter>(&spec)) {
    common(*after);
    h.delay = ns_from_ms(after->delay_ms);
  } else if (const auto* quantile = std::get_if<HedgeQuantile>(&spec)) {
    common(*quantile);
    h.running = true;
    h.min_samples = static_cast<std::uint64_t>(quantile->min_samples);
  }
  return h;
}

void open_columns(const RequestTable& table, bool waterfall, bool first_tokens, RequestColumns& c) {
  const auto n = static_cast<std::size_t>(table.size());
  c.arrival_ns.resize(n);
  c.scheduled_ns.resize(n);
  c.first_token_ns.resize(n);
  c.finish_ns.resize(n);
  c.output_tokens.resize(n);
  c.num_preemptions.resize(n);
  c.cached_tokens.resize(n);
  c.finish_reason.resize(n);
  c.server.assign(n, -1);
  c.copies.resize(n);
  c.outcome.resize(n);
  c.queue_ns.resize(n);
  if (!waterfall) return;
  for (auto* column :
       {&c.frontend_ns, &c.host_ns, &c.compute_ns, &c.hbm_ns, &c.comm_ns, &c.preempted_ns,
        &c.redo_ns, &c.bubble_ns, &c.gateway_ns, &c.dispatch_ns, &c.network_ns}) {
    column->resize(n);
  }
  if (!first_tokens) return;
  for (auto* column : {&c.ttft_host_ns, &c.ttft_compute_ns, &c.ttft_hbm_ns, &c.ttft_comm_ns,
                       &c.ttft_preempted_ns, &c.ttft_redo_ns, &c.ttft_bubble_ns}) {
    column->resize(n);
  }
}

}  // namespace kvsim
