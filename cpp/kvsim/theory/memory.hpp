// Closed forms of KV memory. Lengths are min(X, max) tokens with X exponential of a mean, the law
// of the numbers that the simulation is checked against (docs/memory_wall.md).
#pragma once

#include <cstdint>

namespace kvsim::theory {

// E[min(X, max)] = mean * (1 - e^(-max / mean)).
[[nodiscard]] double cut_exponential_mean(double mean, double max);

// Blocks that such a request fills, the last one perhaps in part: (1 - r^K) / (1 - r) with
// r = e^(-block / mean) and K = max / block, which must be whole.
[[nodiscard]] double mean_blocks(double mean, std::int64_t max, std::int64_t block_size);

// Share of the slots in those blocks that hold no token: 1 - E[length] / (block * E[blocks]).
[[nodiscard]] double paged_internal_waste(double mean, std::int64_t max, std::int64_t block_size);

// Requests of so many slots each that fit into what weights and a reserve leave of the memory.
[[nodiscard]] std::int64_t users_that_fit(double memory_bytes, double weight_bytes,
                                          double reserve_bytes, double kv_bytes_per_token,
                                          double slots_per_user);

}  // namespace kvsim::theory
