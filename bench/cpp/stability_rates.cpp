// How often the test for a drifting queue (docs/metrics.md) calls simulated queues unstable, in per
// cent: the table in that page. `make stability-rates`
#include <cstdio>

#include "metrics/simulated_queue.hpp"

namespace {

struct Row {
  const char* name;
  int requests;
  int cluster;
  bool deterministic;
};

double alarms_percent(const Row& row, double load) {
  const int runs = row.requests > 10'000 ? 400 : 2000;
  int alarms = 0;
  for (int seed = 0; seed < runs; ++seed) {
    const auto s = static_cast<std::uint64_t>(1000 * row.requests + seed);
    alarms += kvsim_test::queue(s, row.requests, load, row.cluster, row.deterministic).unstable();
  }
  return 100.0 * alarms / runs;
}

}  // namespace

int main() {
  constexpr double loads[] = {.8, .9, .95, .98, 1.02, 1.05, 1.1, 1.2};
  std::printf("| requests | load");
  for (const double load : loads) std::printf(" %g |", load);
  std::printf("\n|---|---|---|---|---|---|---|---|---|\n");
  for (const Row& row :
       {Row{"M/M/1, 1,000", 1000, 1, false}, Row{"2,000", 2000, 1, false},
        Row{"5,000", 5000, 1, false}, Row{"20,000", 20'000, 1, false},
        Row{"M/D/1, 1,000", 1000, 1, true}, Row{"5,000", 5000, 1, true},
        Row{"arrivals in groups of 5, 2,000", 2000, 5, false}, Row{"5,000", 5000, 5, false}}) {
    std::printf("| %s |", row.name);
    for (const double load : loads) std::printf(" %.3g |", alarms_percent(row, load));
    std::printf("\n");
    std::fflush(stdout);
  }
}
