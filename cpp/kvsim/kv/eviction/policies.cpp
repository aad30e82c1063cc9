#include "kvsim/kv/eviction/policies.hpp"

namespace kvsim {

std::unique_ptr<EvictionPolicy> make_eviction(PrefixEviction which, const EvictionSetup& setup) {
  std::unique_ptr<EvictionPolicy> made;
  const auto try_one = [&]<class Policy>(std::type_identity<Policy>) {
    if constexpr (!std::is_same_v<Policy, Lru>) {
      if (which == eviction_of<Policy>()) made = std::make_unique<Policy>(setup);
    }
  };
  [&]<class... Ps>(std::type_identity<std::tuple<Ps...>>) {
    (try_one(std::type_identity<Ps>{}), ...);
  }(std::type_identity<EvictionPolicies>{});
  return made;
}

}  // namespace kvsim
