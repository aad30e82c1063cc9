// A list of policies as an enum: the value is the place in the list, the name the policy's own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "kvsim/scenario/field.hpp"

namespace kvsim {

template <class... Policies>
struct PolicyList {
  template <class Enum, class Policy>
  static constexpr Enum place_of() {
    std::uint8_t place = 0;
    static_cast<void>(((std::is_same_v<Policies, Policy> || (++place, false)) || ...));
    return Enum{place};
  }
  // For EnumNames.
  template <class Enum>
  static constexpr auto names() {
    return std::array<std::pair<Enum, std::string_view>, sizeof...(Policies)>{
        std::pair{place_of<Enum, Policies>(), Policies::name}...};
  }
  // Null for one that cannot be made of these arguments, being built in elsewhere.
  template <class Base, class Enum, class... Args>
  static std::unique_ptr<Base> make(Enum which, const Args&... args) {
    std::unique_ptr<Base> made;
    const auto try_one = [&]<class Policy>(std::type_identity<Policy>) {
      if constexpr (std::is_base_of_v<Base, Policy>) {
        if (which == place_of<Enum, Policy>()) made = std::make_unique<Policy>(args...);
      }
    };
    (try_one(std::type_identity<Policies>{}), ...);
    return made;
  }
};

}  // namespace kvsim
