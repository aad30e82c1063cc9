// A hint that memory will be read soon; results never depend on it.
#pragma once

namespace kvsim {

inline void prefetch(const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#else
  (void)address;
#endif
}

}  // namespace kvsim
