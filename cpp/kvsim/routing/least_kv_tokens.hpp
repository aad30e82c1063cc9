#pragma once

#include <string_view>
#include <tuple>

#include "kvsim/routing/view.hpp"
#include "kvsim/scenario/field.hpp"

namespace kvsim::routing {

struct LeastKvTokensSpec {
  static constexpr std::string_view kind = "least_kv_tokens";
  static constexpr std::string_view type_name = "LeastKvTokens";
  static constexpr std::string_view doc =
      "The server whose requests, waiting and running, have the fewest prompt tokens: what a "
      "router "
      "can know of their KV caches. Ties are broken evenly.";
  static constexpr auto fields() { return std::tuple{}; }
};

class LeastKvTokens {
 public:
  static constexpr bool reads_state = true;
  explicit LeastKvTokens(const LeastKvTokensSpec&) {}

  std::int32_t pick(const Candidates& c, const Arrival& a, const Stream& stream) {
    return least(c.kv_tokens, stream.word(a.entity, a.draw));
  }
};

}  // namespace kvsim::routing
