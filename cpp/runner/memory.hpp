// The memory that runs need against the memory that there is, so that a run too large for this
// machine ends in an error and not in a kill by the system.
#pragma once

#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "kvsim/simulate.hpp"

namespace kvsim::runner {

// What a run's requests take at its peak, about: their columns, the scheduler's state, the result.
// Recorded steps, the KV blocks and prefix keys come on top.
[[nodiscard]] std::int64_t request_bytes(const Scenario& scenario, std::int64_t requests);

// What this process can still take before it reaches its own limit (ulimit -v), its control
// group's or the machine's; none if the system does not tell.
[[nodiscard]] std::optional<std::int64_t> free_bytes();

// ErrorKind::config, naming workload.num_requests, if the requests need more than is free.
void check_memory(const Scenario& scenario, const Datasets& datasets);

// Requests of a scenario; 0 if its dataset is not known.
[[nodiscard]] std::int64_t num_requests(const Scenario& scenario, const Datasets& datasets);

class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string text) : text_(std::move(text)) {}
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

// What runs leave free: enough to stop, to report and for what threads take between two looks.
inline constexpr std::int64_t kept_free = std::int64_t{96} << 20;

// For whoever watches a run: throws OutOfMemory when less is left than `kept`.
void watch_memory(std::int64_t kept = kept_free);

// The error about a run that took all memory.
[[noreturn]] void out_of_memory();

}  // namespace kvsim::runner
