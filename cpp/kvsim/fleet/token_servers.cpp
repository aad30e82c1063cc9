#include "kvsim/fleet/token_servers.hpp"

#include <algorithm>

namespace kvsim {

void TokenServers::finish(RunTotals& totals, FleetTotals& fleet) {
  for (std::uint32_t i = 0; i < lives_.size(); ++i) {
    TokenServer& server = *lives_[i].server;
    const bool alive = std::find(alive_.begin(), alive_.end(), i) != alive_.end();
    if (alive) server.check_little();
    const RunTotals& t = server.ledger().totals;
    totals.busy_ns += t.busy_ns;
    totals.terms += t.terms;
    totals.steps += t.steps;
    totals.lazy_steps += t.lazy_steps;
    totals.scheduled_tokens += t.scheduled_tokens;
    totals.entries += t.entries;
    totals.preemptions += t.preemptions;
    totals.swaps += t.swaps;
    totals.swaps_refused += t.swaps_refused;
    totals.preemption_waits += t.preemption_waits;
    totals.swapped_blocks += t.swapped_blocks;
    totals.prefix_query_tokens += t.prefix_query_tokens;
    totals.prefix_hit_tokens += t.prefix_hit_tokens;
    totals.draft_tokens += t.draft_tokens;
    totals.accepted_tokens += t.accepted_tokens;
    totals.verifications += t.verifications;
    totals.speculative_preemptions += t.speculative_preemptions;
    totals.draft_ns += t.draft_ns;
    totals.max_running = std::max(totals.max_running, t.max_running);
    totals.max_waiting = std::max(totals.max_waiting, t.max_waiting);
    if (alive) totals.max_used_blocks += t.max_used_blocks;
    totals.waiting_integral += t.waiting_integral;
    totals.running_integral += t.running_integral;
    totals.used_block_integral += t.used_block_integral;
  }
  fleet.batches = totals.steps;
  fleet.served = totals.scheduled_tokens;
}

}  // namespace kvsim
