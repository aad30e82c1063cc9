#include "kvsim/kv/eviction/policies.hpp"

namespace kvsim {

std::unique_ptr<EvictionPolicy> make_eviction(PrefixEviction which, const EvictionSetup& setup) {
  return EvictionPolicies::make<EvictionPolicy>(which, setup);
}

}  // namespace kvsim
