// Scenarios from JSON and back (field_json.hpp). Compiled once, in scenario_json.cpp.
#pragma once

#include "kvsim/scenario/field_json.hpp"
#include "kvsim/scenario/scenario.hpp"

namespace kvsim {

extern template Scenario from_json<Scenario>(const json::Value& value, std::string_view path);
extern template EngineSpec from_json<EngineSpec>(const json::Value& value, std::string_view path);
extern template json::Value to_json<Scenario>(const Scenario& value);
extern template json::Value to_json<Workload>(const Workload& value);

}  // namespace kvsim
