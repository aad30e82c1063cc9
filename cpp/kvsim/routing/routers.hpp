// The list of routers. A new one is a file with its parameters and its class, and a name in each of
// the two lists here. `reads_state` says whether pick() looks at what servers have: if it does not,
// servers need not be simulated in step with one another.
#pragma once

#include <variant>

#include "kvsim/routing/least_kv_tokens.hpp"
#include "kvsim/routing/least_outstanding.hpp"
#include "kvsim/routing/power_of_d.hpp"
#include "kvsim/routing/prefix_affinity.hpp"
#include "kvsim/routing/random.hpp"
#include "kvsim/routing/round_robin.hpp"
#include "kvsim/routing/session_affinity.hpp"
#include "kvsim/routing/weighted.hpp"

namespace kvsim {

using RouterSpec =
    std::variant<routing::RoundRobinSpec, routing::RandomSpec, routing::PowerOfDSpec,
                 routing::LeastOutstandingSpec, routing::LeastKvTokensSpec,
                 routing::PrefixAffinitySpec, routing::SessionAffinitySpec, routing::WeightedSpec>;
using Router = std::variant<routing::RoundRobin, routing::Random, routing::PowerOfD,
                            routing::LeastOutstanding, routing::LeastKvTokens,
                            routing::PrefixAffinity, routing::SessionAffinity, routing::Weighted>;

namespace routing {

template <std::size_t I = 0>
Router make_router(const RouterSpec& spec, const RequestTable& table) {
  if constexpr (I + 1 < std::variant_size_v<RouterSpec>) {
    if (spec.index() != I) return make_router<I + 1>(spec, table);
  }
  using Class = std::variant_alternative_t<I, Router>;
  const auto& own = std::get<I>(spec);
  if constexpr (std::is_constructible_v<Class, decltype(own), const RequestTable&>) {
    return Class(own, table);
  } else {
    return Class(own);
  }
}

inline bool reads_state(const Router& router) {
  return std::visit([](const auto& r) { return r.reads_state; }, router);
}

}  // namespace routing
}  // namespace kvsim
