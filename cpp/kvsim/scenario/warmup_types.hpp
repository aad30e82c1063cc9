// Which of the first requests of a run its figures leave out.
#pragma once

#include <cstdint>
#include <string_view>
#include <tuple>
#include <variant>

#include "kvsim/scenario/field.hpp"

namespace kvsim {

struct NoWarmup {
  static constexpr std::string_view kind = "none";
  static constexpr std::string_view type_name = "NoWarmup";
  static constexpr std::string_view doc = "Every request counts.";
  static constexpr auto fields() { return std::tuple{}; }
};

struct FirstRequests {
  std::int64_t num_requests = 0;
  static constexpr std::string_view kind = "requests";
  static constexpr std::string_view type_name = "FirstRequests";
  static constexpr std::string_view doc = "The first requests to arrive are left out.";
  static constexpr auto fields() {
    return std::tuple{field("num_requests", &FirstRequests::num_requests,
                            {.unit = "requests",
                             .min = 0,
                             .max = 1 << 30,
                             .doc = "How many; fewer than the run has."})};
  }
};

struct Mser5 {
  static constexpr std::string_view kind = "mser5";
  static constexpr std::string_view type_name = "Mser5";
  static constexpr std::string_view doc =
      "The start that MSER-5 finds to be unlike the rest, by TTFT and by E2E; the later of the two "
      "cuts.";
  static constexpr auto fields() { return std::tuple{}; }
};

using Warmup = std::variant<NoWarmup, FirstRequests, Mser5>;

}  // namespace kvsim
