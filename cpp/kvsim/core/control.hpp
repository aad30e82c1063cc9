#pragma once

#include <cstddef>

#include "kvsim/core/error.hpp"

namespace kvsim {

// How the host stops a run. The engine polls every few thousand steps, and in the passes over all
// requests before and after them.
struct Control {
  const volatile bool* stop = nullptr;  // true: the run ends with ErrorKind::cancelled

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
