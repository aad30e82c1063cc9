// What a token-level replica needs before it runs: its KV budget, its scheduler's options, its
// model of step times.
#pragma once

#include <string>
#include <vector>

#include "kvsim/scheduler/config.hpp"
#include "kvsim/server/kv_budget.hpp"
#include "kvsim/simulate.hpp"
#include "kvsim/step_time/models.hpp"

namespace kvsim {

struct ReplicaSetup {
  const ModelSpec* model = nullptr;
  const GpuSpec* gpu = nullptr;
  KvBudget budget;
  SchedulerConfig config;
};

// Refuses what cannot run (config, infeasible). The scenario outlives what is made of it.
ReplicaSetup set_up_replica(const Scenario& scenario, const Inputs& inputs,
                            const RequestTable& requests, std::vector<std::string>& warnings);
StepTimeModel set_up_step_time(const Scenario& scenario, const Inputs& inputs,
                               const ReplicaSetup& setup, const RequestTable& requests,
                               std::vector<std::string>& warnings);

}  // namespace kvsim
