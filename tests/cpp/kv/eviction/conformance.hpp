// What every eviction policy must do, asked of it by random use: the first rule that it breaks, or
// an empty text. Tests plug in policies of their own, broken ones too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "kvsim/kv/eviction/policy.hpp"

namespace kvsim_test {

using MakePolicy =
    std::function<std::unique_ptr<kvsim::EvictionPolicy>(const kvsim::EvictionSetup&)>;

std::string broken_rule(const MakePolicy& make, std::uint64_t seed);

// Several blocks released or evicted at once must be the same as one after the other.
std::string batch_difference(const MakePolicy& make, std::uint64_t seed);

}  // namespace kvsim_test
