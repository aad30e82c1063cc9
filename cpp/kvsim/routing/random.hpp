#pragma once

#include <string_view>
#include <tuple>

#include "kvsim/routing/view.hpp"
#include "kvsim/scenario/field.hpp"

namespace kvsim::routing {

struct RandomSpec {
  static constexpr std::string_view kind = "random";
  static constexpr std::string_view type_name = "RandomRouter";
  static constexpr std::string_view doc = "Any server, all with the same probability.";
  static constexpr auto fields() { return std::tuple{}; }
};

class Random {
 public:
  static constexpr bool reads_state = false;
  explicit Random(const RandomSpec&) {}

  std::int32_t pick(const Candidates& c, const Arrival& a, const Stream& stream) {
    std::uint64_t open = 0;
    for (std::int32_t i = 0; i < c.size(); ++i) open += c.open(i) ? 1 : 0;
    const std::uint64_t n = uniform_below(stream.word(a.entity, a.draw), open);
    return nth(n, [&](std::int32_t i) { return c.open(i); });
  }
};

}  // namespace kvsim::routing
