// A Result as JSON: everything that it holds, for hosts without Python.
#pragma once

#include "kvsim/result.hpp"
#include "kvsim/scenario/json.hpp"

namespace kvsim {

// {"version", "status", "reason", "warnings", "summary": {name: number or null}, "totals",
//  "kv_budget", "requests", "steps", "entries": {column: [...]}}. Integers beyond 64 bits (the time
// integrals) are strings of decimal digits, columns that were not recorded are left out.
[[nodiscard]] json::Value result_json(const Result& result);

// The same without the tables, and with what a page shows of a run:
//   "waterfalls": {"ttft" or "e2e": {"mean", "p50" or "p99": {"requests", "parts_ms": {...}}}},
//     where the parts were kept;
//   "backlog_throughput": completions per second under permanent backlog, null if undefined;
//   "columns": {table: {column: [type, address, rows]}}: where the recorded columns lie in memory,
//     type one of int64, int32, uint64, uint8, float64. They stay there as long as `result` does.
[[nodiscard]] json::Value view_json(const Result& result);

}  // namespace kvsim
