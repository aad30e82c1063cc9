#pragma once

#include <string_view>
#include <tuple>

#include "kvsim/routing/view.hpp"
#include "kvsim/scenario/field.hpp"

namespace kvsim::routing {

struct WeightedSpec {
  static constexpr std::string_view kind = "weighted";
  static constexpr std::string_view type_name = "WeightedRouter";
  static constexpr std::string_view doc =
      "At random, with probabilities in proportion to the weights of the groups of servers.";
  static constexpr auto fields() { return std::tuple{}; }
};

class Weighted {
 public:
  static constexpr bool reads_state = false;
  explicit Weighted(const WeightedSpec&) {}

  std::int32_t pick(const Candidates& c, const Arrival& a, const Stream& stream) {
    double total = 0;
    for (std::int32_t i = 0; i < c.size(); ++i) total += share(c, i);
    // Only servers without weight are open: any of them.
    if (total <= 0) {
      std::int32_t i = 0;
      while (!c.open(i)) ++i;
      return i;
    }
    double left = uniform(stream, a.entity, a.draw) * total;
    std::int32_t chosen = -1;
    for (std::int32_t i = 0; i < c.size(); ++i) {
      if (share(c, i) <= 0) continue;
      chosen = i;
      left -= share(c, i);
      if (left < 0) break;
    }
    return chosen;
  }

 private:
  static double share(const Candidates& c, std::int32_t i) {
    return c.open(i) ? c.weight[static_cast<std::size_t>(i)] : 0.0;
  }
};

}  // namespace kvsim::routing
