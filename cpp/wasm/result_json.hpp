// A Result as JSON: everything that it holds, for hosts without Python.
#pragma once

#include "kvsim/result.hpp"
#include "kvsim/scenario/json.hpp"

namespace kvsim {

// {"version", "status", "reason", "warnings", "summary": {name: number or null}, "totals",
//  "kv_budget", "requests", "steps", "entries": {column: [...]}}. Integers beyond 64 bits (the time
// integrals) are strings of decimal digits, columns that were not recorded are left out.
[[nodiscard]] json::Value result_json(const Result& result);

}  // namespace kvsim
