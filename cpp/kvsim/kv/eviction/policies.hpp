// The list of eviction policies: one name here, one file beside it.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "kvsim/kv/eviction/belady.hpp"
#include "kvsim/kv/eviction/fifo.hpp"
#include "kvsim/kv/eviction/gdsf.hpp"
#include "kvsim/kv/eviction/lfu.hpp"
#include "kvsim/kv/eviction/lru.hpp"
#include "kvsim/kv/eviction/random.hpp"
#include "kvsim/kv/eviction/s3_fifo.hpp"
#include "kvsim/kv/eviction/sieve.hpp"
#include "kvsim/kv/policy_list.hpp"

namespace kvsim {

// The first is the default and built into BlockPool.
using EvictionPolicies = PolicyList<Lru, Fifo, Lfu, Sieve, S3Fifo, Gdsf, RandomEviction, Belady>;
enum class PrefixEviction : std::uint8_t {};  // the place in the list

template <class Policy>
constexpr PrefixEviction eviction_of() {
  return EvictionPolicies::place_of<PrefixEviction, Policy>();
}

template <>
struct EnumNames<PrefixEviction> {
  static constexpr std::string_view name = "PrefixEviction";
  static constexpr auto values = EvictionPolicies::names<PrefixEviction>();
};

// Null for the policy that is built in.
std::unique_ptr<EvictionPolicy> make_eviction(PrefixEviction which, const EvictionSetup& setup);

}  // namespace kvsim
