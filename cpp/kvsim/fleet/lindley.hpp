// One-shot servers without batches, hedging or anything else that could touch a sub-request once it
// is queued: its start is known when it arrives (Lindley's recursion: the later of its arrival and
// the first worker's being free), so no events are needed. The same bits as the fleet loop, which
// is the definition; mode = leap takes this way where it can.
#pragma once

#include "kvsim/core/control.hpp"
#include "kvsim/fleet/fleet.hpp"

namespace kvsim {

[[nodiscard]] bool lindley_applies(const Scenario& scenario, const RequestTable& table);

struct LindleyRun {
  RequestColumns columns;
  FleetTotals fleet;
  Ns first_arrival = 0;
  Ns last_end = 0;
};
LindleyRun run_lindley(const Scenario& scenario, const RequestTable& table, Control control,
                       RunTotals& totals);

}  // namespace kvsim
