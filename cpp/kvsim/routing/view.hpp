// What a router may look at. A router is one file in this folder: its parameters, which describe
// themselves as all of a scenario does, and a class with pick(). routing/routers.hpp lists them.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "kvsim/core/distributions.hpp"
#include "kvsim/core/philox.hpp"
#include "kvsim/workload/request_table.hpp"

namespace kvsim::routing {

// Stands for the load of a server that may not be chosen: down, or it has another part already.
inline constexpr std::int32_t closed = std::numeric_limits<std::int32_t>::max();

// The candidates, servers `first` to `first + size - 1` of the fleet; spans are indexed from 0. At
// least one is open.
struct Candidates {
  std::span<const std::int32_t> outstanding;  // requests waiting and running, or `closed`
  std::span<const std::int64_t> kv_tokens;    // prompt tokens of these requests
  std::span<const double> weight;
  std::int32_t first = 0;

  [[nodiscard]] std::int32_t size() const { return static_cast<std::int32_t>(outstanding.size()); }
  [[nodiscard]] bool open(std::int32_t i) const {
    return outstanding[static_cast<std::size_t>(i)] != closed;
  }
};

// The sub-request to be placed: its request, and its own random words (one block an attempt).
struct Arrival {
  std::uint32_t request;
  std::uint64_t entity;
  std::uint64_t draw;
};

// The n-th of those candidates that satisfy `fits`; there are more than n.
template <class Fits>
[[nodiscard]] std::int32_t nth(std::uint64_t n, Fits&& fits) {
  std::int32_t i = 0;
  for (;; ++i) {
    if (!fits(i)) continue;
    if (n == 0) return i;
    --n;
  }
}

// One of the candidates with the least load, each with the same probability.
template <class Load>
[[nodiscard]] std::int32_t least(std::span<const Load> load, std::uint64_t word) {
  Load best = std::numeric_limits<Load>::max();
  for (std::size_t i = 0; i < load.size(); ++i) {
    if (load[i] < best) best = load[i];
  }
  std::uint64_t ties = 0;
  for (std::size_t i = 0; i < load.size(); ++i) ties += load[i] == best ? 1 : 0;
  return nth(uniform_below(word, ties),
             [&](std::int32_t i) { return load[static_cast<std::size_t>(i)] == best; });
}

}  // namespace kvsim::routing
