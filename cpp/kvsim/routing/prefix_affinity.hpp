#pragma once

#include <string_view>
#include <tuple>
#include <vector>

#include "kvsim/routing/view.hpp"
#include "kvsim/scenario/field.hpp"

namespace kvsim::routing {

struct PrefixAffinitySpec {
  double load_bound = 1.25;
  static constexpr std::string_view kind = "prefix_affinity";
  static constexpr std::string_view type_name = "PrefixAffinity";
  static constexpr std::string_view doc =
      "The server that was last sent the longest prefix of the prompt, unless it would then have "
      "more "
      "than load_bound times the mean number of requests (bounded loads: Mirrokni, Thorup, "
      "Zadimoghaddam, Consistent hashing with bounded loads, 2018); else the least outstanding.";
  static constexpr auto fields() {
    return std::tuple{
        field("load_bound", &PrefixAffinitySpec::load_bound,
              {.min = 1, .max = 1e9, .doc = "Most requests of a server, in units of the mean."})};
  }
};

class PrefixAffinity {
 public:
  static constexpr bool reads_state = true;
  PrefixAffinity(const PrefixAffinitySpec& spec, const RequestTable& table)
      : load_bound_(spec.load_bound),
        keys_(table.keys),
        owner_(table.keys.num_shared_keys, std::int32_t{-1}) {}

  std::int32_t pick(const Candidates& c, const Arrival& a, const Stream& stream) {
    const std::uint32_t* keys = keys_.of(a.request);
    const std::int64_t n = keys_.count(a.request);
    // Whoever computed a key has all of those before it.
    std::int32_t chosen = -1;
    for (std::int64_t j = 0; j < n && owner_[keys[j]] >= 0; ++j) chosen = owner_[keys[j]] - c.first;
    if (chosen < 0 || chosen >= c.size() || !c.open(chosen) || overloaded(c, chosen)) {
      chosen = least(c.outstanding, stream.word(a.entity, a.draw));
    }
    for (std::int64_t j = 0; j < n; ++j) owner_[keys[j]] = c.first + chosen;
    return chosen;
  }

 private:
  [[nodiscard]] bool overloaded(const Candidates& c, std::int32_t i) const {
    std::int64_t total = 1;
    std::int64_t open = 0;
    for (const std::int32_t load : c.outstanding) {
      if (load == closed) continue;
      total += load;
      ++open;
    }
    const double bound = load_bound_ * static_cast<double>(total) / static_cast<double>(open);
    return c.outstanding[static_cast<std::size_t>(i)] >= bound;
  }

  double load_bound_;
  const PrefixKeys& keys_;
  std::vector<std::int32_t> owner_;  // server by shared key, -1 = none was sent it
};

}  // namespace kvsim::routing
