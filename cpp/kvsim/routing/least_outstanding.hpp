#pragma once

#include <string_view>
#include <tuple>

#include "kvsim/routing/view.hpp"
#include "kvsim/scenario/field.hpp"

namespace kvsim::routing {

struct LeastOutstandingSpec {
  static constexpr std::string_view kind = "least_outstanding";
  static constexpr std::string_view type_name = "LeastOutstanding";
  static constexpr std::string_view doc =
      "The server with the fewest requests waiting and running; ties are broken evenly.";
  static constexpr auto fields() { return std::tuple{}; }
};

class LeastOutstanding {
 public:
  static constexpr bool reads_state = true;
  explicit LeastOutstanding(const LeastOutstandingSpec&) {}

  std::int32_t pick(const Candidates& c, const Arrival& a, const Stream& stream) {
    return least(c.outstanding, stream.word(a.entity, a.draw));
  }
};

}  // namespace kvsim::routing
