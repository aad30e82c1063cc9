#pragma once

namespace kvsim {

// How the host stops a run. The engine polls every few thousand events.
struct Control {
  const volatile bool* stop = nullptr;  // true: the run ends with ErrorKind::cancelled
};

}  // namespace kvsim
