#include "runner/points.hpp"

#include <limits>
#include <string_view>

#include "kvsim/core/error.hpp"

namespace kvsim::runner {
namespace {

const json::Array& array(const json::Value& value, std::string_view path) {
  const json::Array* a = value.if_array();
  if (a == nullptr) bad_field(path, json::describe(value), "an array");
  return *a;
}

std::string_view top_of(std::string_view path) { return path.substr(0, path.find('.')); }

bool shapes_requests(std::string_view path) {
  const std::string_view top = top_of(path);
  return top == "workload" || top == "seed";
}

}  // namespace

Points Points::grid(const json::Value& axes) {
  Points points;
  for (const json::Value& entry : array(axes, "axes")) {
    const json::Array& pair = array(entry, "axes");
    const std::string* path = pair.size() == 2 ? pair[0].if_string() : nullptr;
    if (path == nullptr) bad_field("axes", json::describe(entry), "pairs [path, [values]]");
    const json::Array& values = array(pair[1], *path);
    if (values.empty()) bad_field(*path, "no values", "at least one value");
    if (points.size_ > std::numeric_limits<std::size_t>::max() / values.size()) {
      bad_field("axes", "more points than can be counted", "a smaller grid");
    }
    points.size_ *= values.size();
    points.axes_.push_back({*path, values});
  }
  return points;
}

Points Points::list(const json::Value& points) {
  Points out;
  for (const json::Value& entry : array(points, "points")) {
    const json::Object* object = entry.if_object();
    if (object == nullptr) bad_field("points", json::describe(entry), "objects {path: value}");
    out.points_.push_back(object->members());
  }
  out.size_ = out.points_.size();
  return out;
}

void Points::apply(std::size_t i, json::Value& scenario) const {
  if (!points_.empty()) {
    for (const auto& [path, value] : points_[i]) json::set(scenario, path, value);
    return;
  }
  std::size_t stride = size_;
  for (const Axis& axis : axes_) {
    stride /= axis.values.size();
    json::set(scenario, axis.path, axis.values[i / stride % axis.values.size()]);
  }
}

bool Points::sets(std::string_view top) const {
  bool found = false;
  for_each_value(
      [&](std::string_view path, const json::Value&) { found = found || top_of(path) == top; });
  return found;
}

std::size_t Points::variants(std::string_view top) const {
  if (!points_.empty()) return size_;
  std::size_t n = 1;
  for (const Axis& axis : axes_) {
    if (top_of(axis.path) == top) n *= axis.values.size();
  }
  return n;
}

std::size_t Points::variant(std::string_view top, std::size_t i) const {
  if (!points_.empty()) return i;
  std::size_t found = 0;
  std::size_t stride = size_;
  for (const Axis& axis : axes_) {
    stride /= axis.values.size();
    if (top_of(axis.path) != top) continue;
    found = found * axis.values.size() + i / stride % axis.values.size();
  }
  return found;
}

bool Points::may_share_requests() const {
  bool other = false;
  for (const Axis& axis : axes_) {
    other = other || (axis.values.size() > 1 && !shapes_requests(axis.path));
  }
  for (const auto& point : points_) {
    for (const auto& member : point) other = other || !shapes_requests(member.first);
  }
  return other;
}

}  // namespace kvsim::runner
