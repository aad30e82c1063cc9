// Every error leaves the engine through fail(): native code throws kvsim::Error, the WebAssembly
// build (no exceptions) hands kind and message to the host and traps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#if !defined(__wasm__)
#include <stdexcept>
#endif

namespace kvsim {

enum class ErrorKind : std::uint8_t {
  config,      // a field's value is not allowed
  infeasible,  // the scenario is valid and cannot run (a request larger than the KV cache, ...)
  livelock,    // the scenario would never end
  invariant,   // a bug: the engine contradicts itself
  deadline,    // the caller's time limit is over
  cancelled,   // the caller asked to stop
};

[[nodiscard]] std::string_view error_kind_name(ErrorKind kind);

#if !defined(__wasm__)
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};
#endif

[[noreturn]] void fail(ErrorKind kind, std::string message);

// The text of an error about a value: "path: got value; allowed: allowed".
[[nodiscard]] std::string field_message(std::string_view path, std::string_view value_text,
                                        std::string_view allowed_text);

// fail(ErrorKind::config, field_message(...)). Strings are quoted by the caller, see quoted().
[[noreturn]] void bad_field(std::string_view path, std::string_view value_text,
                            std::string_view allowed_text);

// The text in double quotes, cut after 80 bytes, control characters as escapes.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace kvsim
