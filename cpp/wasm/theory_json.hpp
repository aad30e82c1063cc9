// Closed forms by name, for hosts without Python.
#pragma once

#include <string>
#include <string_view>

namespace kvsim {

// {"name": NAME, "arguments": [...]} with a function of kvsim/theory and its arguments in order (a
// struct's fields one after the other), or with "knee" and three arrays: offered rates, achieved
// rates, latencies (null where there is none). Returns the value as JSON: a number, null where it
// is infinite; for the knee an object or null. Fails with ErrorKind::config.
[[nodiscard]] std::string theory_json(std::string_view text);

}  // namespace kvsim
