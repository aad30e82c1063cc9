#pragma once

#include <string_view>
#include <tuple>
#include <vector>

#include "kvsim/routing/view.hpp"
#include "kvsim/scenario/field.hpp"

namespace kvsim::routing {

struct SessionAffinitySpec {
  static constexpr std::string_view kind = "session_affinity";
  static constexpr std::string_view type_name = "SessionAffinity";
  static constexpr std::string_view doc =
      "All turns of a session go to one server, the least outstanding one at its first turn.";
  static constexpr auto fields() { return std::tuple{}; }
};

class SessionAffinity {
 public:
  static constexpr bool reads_state = true;
  SessionAffinity(const SessionAffinitySpec&, const RequestTable& table)
      : successor_(table.successor), server_(table.prompt_tokens.size(), std::int32_t{-1}) {}

  std::int32_t pick(const Candidates& c, const Arrival& a, const Stream& stream) {
    std::int32_t chosen = server_[a.request] < 0 ? -1 : server_[a.request] - c.first;
    if (chosen < 0 || chosen >= c.size() || !c.open(chosen)) {
      chosen = least(c.outstanding, stream.word(a.entity, a.draw));
    }
    const std::int32_t next = successor_.empty() ? -1 : successor_[a.request];
    if (next >= 0) server_[static_cast<std::size_t>(next)] = c.first + chosen;
    return chosen;
  }

 private:
  const std::vector<std::int32_t>& successor_;
  std::vector<std::int32_t> server_;  // by request: where the turn before it went
};

}  // namespace kvsim::routing
