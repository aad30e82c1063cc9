#pragma once

namespace kvsim {

// Sums of request counts times nanoseconds pass 2^63 in long overloaded runs.
__extension__ typedef __int128 Int128;

}  // namespace kvsim
