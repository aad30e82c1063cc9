#include "kvsim/scenario/scenario_json.hpp"

namespace kvsim {

template Scenario from_json<Scenario>(const json::Value& value, std::string_view path);
template EngineSpec from_json<EngineSpec>(const json::Value& value, std::string_view path);
template json::Value to_json<Scenario>(const Scenario& value);
template json::Value to_json<Workload>(const Workload& value);

}  // namespace kvsim
