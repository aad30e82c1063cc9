// The list of eviction policies: one name here, one file beside it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kvsim/kv/eviction/belady.hpp"
#include "kvsim/kv/eviction/fifo.hpp"
#include "kvsim/kv/eviction/gdsf.hpp"
#include "kvsim/kv/eviction/lfu.hpp"
#include "kvsim/kv/eviction/lru.hpp"
#include "kvsim/kv/eviction/random.hpp"
#include "kvsim/kv/eviction/s3_fifo.hpp"
#include "kvsim/kv/eviction/sieve.hpp"
#include "kvsim/scenario/field.hpp"

namespace kvsim {

// The first is the default and built into BlockPool.
using EvictionPolicies = std::tuple<Lru, Fifo, Lfu, Sieve, S3Fifo, Gdsf, RandomEviction, Belady>;

// The place in the list.
enum class PrefixEviction : std::uint8_t {};

template <class Policy>
constexpr PrefixEviction eviction_of() {
  return []<class... Ps>(std::type_identity<std::tuple<Ps...>>) {
    std::uint8_t place = 0;
    static_cast<void>(((std::is_same_v<Ps, Policy> || (++place, false)) || ...));
    return PrefixEviction{place};
  }(std::type_identity<EvictionPolicies>{});
}

template <>
struct EnumNames<PrefixEviction> {
  static constexpr std::string_view name = "PrefixEviction";
  static constexpr auto values = []<class... Ps>(std::type_identity<std::tuple<Ps...>>) {
    return std::array<std::pair<PrefixEviction, std::string_view>, sizeof...(Ps)>{
        std::pair{eviction_of<Ps>(), Ps::name}...};
  }(std::type_identity<EvictionPolicies>{});
};

// Null for the policy that is built in.
std::unique_ptr<EvictionPolicy> make_eviction(PrefixEviction which, const EvictionSetup& setup);

}  // namespace kvsim
