#pragma once

#include <string_view>
#include <tuple>
#include <vector>

#include "kvsim/routing/view.hpp"
#include "kvsim/scenario/field.hpp"

namespace kvsim::routing {

struct PowerOfDSpec {
  std::int64_t choices = 2;
  static constexpr std::string_view kind = "power_of_d";
  static constexpr std::string_view type_name = "PowerOfD";
  static constexpr std::string_view doc =
      "Of d different servers chosen at random, the one with the fewest requests waiting and "
      "running "
      "(Mitzenmacher, The power of two choices in randomized load balancing, 2001).";
  static constexpr auto fields() {
    return std::tuple{field("choices", &PowerOfDSpec::choices,
                            {.unit = "servers", .min = 1, .max = 64, .doc = "How many, d."})};
  }
};

class PowerOfD {
 public:
  static constexpr bool reads_state = true;
  explicit PowerOfD(const PowerOfDSpec& spec) : choices_(spec.choices) {}

  // Floyd's algorithm: the j-th of the last d positions takes a random place up to it, or itself if
  // that is taken. Ties go by a second random word.
  std::int32_t pick(const Candidates& c, const Arrival& a, const Stream& stream) {
    std::int32_t open = 0;
    for (std::int32_t i = 0; i < c.size(); ++i) open += c.open(i) ? 1 : 0;
    const std::int32_t d = choices_ < open ? static_cast<std::int32_t>(choices_) : open;
    chosen_.clear();
    std::uint64_t best_tie = 0;
    std::int32_t best = -1;
    for (std::int32_t j = open - d; j < open; ++j) {
      const auto draw = a.draw + static_cast<std::uint64_t>(j - (open - d));
      const Block words = stream.block(a.entity, draw);
      auto n =
          static_cast<std::int32_t>(uniform_below(words[0], static_cast<std::uint64_t>(j) + 1));
      for (const std::int32_t taken : chosen_) {
        if (taken == n) n = j;
      }
      chosen_.push_back(n);
      const std::int32_t i = open == c.size() ? n
                                              : nth(static_cast<std::uint64_t>(n),
                                                    [&](std::int32_t k) { return c.open(k); });
      const auto load = c.outstanding[static_cast<std::size_t>(i)];
      const bool better = best < 0 || load < c.outstanding[static_cast<std::size_t>(best)];
      const bool tied = best >= 0 && load == c.outstanding[static_cast<std::size_t>(best)];
      if (better || (tied && words[1] < best_tie)) {
        best = i;
        best_tie = words[1];
      }
    }
    return best;
  }

 private:
  std::int64_t choices_;
  std::vector<std::int32_t> chosen_;
};

}  // namespace kvsim::routing
