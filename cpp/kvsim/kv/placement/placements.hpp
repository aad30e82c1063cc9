// The list of placements: one name here, one file beside it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kvsim/kv/placement/best_fit.hpp"
#include "kvsim/kv/placement/buddy.hpp"
#include "kvsim/kv/placement/first_fit.hpp"
#include "kvsim/kv/policy_list.hpp"

namespace kvsim {

// The first is the default.
using Placements = PolicyList<Buddy, FirstFit, BestFit>;
enum class Placement : std::uint8_t {};  // the place in the list

template <>
struct EnumNames<Placement> {
  static constexpr std::string_view name = "Placement";
  static constexpr auto values = Placements::names<Placement>();
};

std::unique_ptr<PlacementPolicy> make_placement(Placement which, std::int64_t slots);

}  // namespace kvsim
