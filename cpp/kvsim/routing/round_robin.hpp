#pragma once

#include <string_view>
#include <tuple>
#include <vector>

#include "kvsim/routing/view.hpp"
#include "kvsim/scenario/field.hpp"

namespace kvsim::routing {

struct RoundRobinSpec {
  static constexpr std::string_view kind = "round_robin";
  static constexpr std::string_view type_name = "RoundRobin";
  static constexpr std::string_view doc = "Servers in turn.";
  static constexpr auto fields() { return std::tuple{}; }
};

class RoundRobin {
 public:
  static constexpr bool reads_state = false;
  explicit RoundRobin(const RoundRobinSpec&) {}

  std::int32_t pick(const Candidates& c, const Arrival&, const Stream&) {
    // With sharded parts each shard has a turn of its own.
    const auto shard = static_cast<std::size_t>(c.first / c.size());
    if (next_.size() <= shard) next_.resize(shard + 1);
    std::int32_t& next = next_[shard];
    while (!c.open(next)) next = next + 1 == c.size() ? 0 : next + 1;
    const std::int32_t chosen = next;
    next = next + 1 == c.size() ? 0 : next + 1;
    return chosen;
  }

 private:
  std::vector<std::int32_t> next_;
};

}  // namespace kvsim::routing
