#pragma once

#include <cstddef>
#include <cstdint>

#include "kvsim/core/error.hpp"

namespace kvsim {

// How the host stops a run and sees how far it is. The engine polls every few thousand steps, and
// in the passes over all requests before and after them.
struct Control {
  const volatile bool* stop = nullptr;         // true: the run ends with ErrorKind::cancelled
  volatile std::int64_t* completed = nullptr;  // where the engine writes how many requests finished

  void report(std::int64_t requests_completed) const {
    if (completed != nullptr) *completed = requests_completed;
  }
  void poll() const {
    if (stop != nullptr && *stop) fail(ErrorKind::cancelled, "the run was stopped");
  }
  // In a loop over rows.
  void poll(std::size_t row) const {
    if (row % rows_between_polls == 0) poll();
  }
  static constexpr std::size_t rows_between_polls = std::size_t{1} << 16;
};

}  // namespace kvsim
