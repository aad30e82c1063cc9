// The points of a sweep: which fields of a base scenario each of them sets.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kvsim/scenario/json.hpp"

namespace kvsim::runner {

class Points {
 public:
  // [["dotted.path", [value, ...]], ...]: every combination, the last axis fastest.
  static Points grid(const json::Value& axes);
  // [{"dotted.path": value, ...}, ...]: one point each.
  static Points list(const json::Value& points);

  [[nodiscard]] std::size_t size() const { return size_; }

  // Sets the fields of point i in `scenario`, in the order of the axes or of the point's members.
  void apply(std::size_t i, json::Value& scenario) const;

  // True if two points may differ outside the top-level fields `workload` and `seed`.
  [[nodiscard]] bool may_share_requests() const;

  // Whether a point may set the top-level field `top` or something in it.
  [[nodiscard]] bool sets(std::string_view top) const;
  // How many values of that field the points can differ by, and which of them point i has: points
  // of one variant have the same value there. Of a list each point counts as different.
  [[nodiscard]] std::size_t variants(std::string_view top) const;
  [[nodiscard]] std::size_t variant(std::string_view top, std::size_t i) const;

  // Every (path, value) that occurs.
  template <class Visit>
  void for_each_value(Visit&& visit) const {
    for (const Axis& axis : axes_) {
      for (const json::Value& value : axis.values) visit(axis.path, value);
    }
    for (const auto& point : points_) {
      for (const auto& [path, value] : point) visit(path, value);
    }
  }

 private:
  struct Axis {
    std::string path;
    json::Array values;
  };
  std::vector<Axis> axes_;
  std::vector<std::vector<json::Member>> points_;
  std::size_t size_ = 1;
};

}  // namespace kvsim::runner
