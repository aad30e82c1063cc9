#include "runner/points.hpp"

#include <map>
#include <string>

#include "check.hpp"
#include "kvsim/core/error.hpp"

namespace kvsim::runner {
namespace {

std::string at(const Points& points, std::size_t i) {
  json::Value tree = json::parse(R"({"a":{"b":0},"c":0})");
  points.apply(i, tree);
  return json::write(tree);
}

TEST(points, a_grid_has_every_combination_the_last_axis_fastest) {
  const auto points = Points::grid(json::parse(R"([["a.b",[1,2]],["c",["x",null,3]]])"));
  REQUIRE(points.size() == 6);
  CHECK_EQ(at(points, 0), R"({"a":{"b":1},"c":"x"})");
  CHECK_EQ(at(points, 1), R"({"a":{"b":1},"c":null})");
  CHECK_EQ(at(points, 5), R"({"a":{"b":2},"c":3})");
}

TEST(points, no_axes_are_one_point) {
  const auto points = Points::grid(json::parse("[]"));
  REQUIRE(points.size() == 1);
  CHECK_EQ(at(points, 0), R"({"a":{"b":0},"c":0})");
}

TEST(points, a_list_sets_what_each_point_has) {
  const auto points = Points::list(json::parse(R"([{"c":1},{},{"a":{"b":7},"a.b":8}])"));
  REQUIRE(points.size() == 3);
  CHECK_EQ(at(points, 0), R"({"a":{"b":0},"c":1})");
  CHECK_EQ(at(points, 1), R"({"a":{"b":0},"c":0})");
  CHECK_EQ(at(points, 2), R"({"a":{"b":8},"c":0})");
}

TEST(points, of_one_variant_have_the_same_value_of_a_field) {
  const auto grid = Points::grid(json::parse(R"([["a.b",[1,2]],["c",[1,2,3]],["a.d",[4,5]]])"));
  CHECK(grid.sets("a"));
  CHECK(!grid.sets("b"));
  CHECK_EQ(grid.variants("a"), std::size_t{4});
  CHECK_EQ(grid.variants("c"), std::size_t{3});
  std::map<std::size_t, std::string> seen;
  for (std::size_t i = 0; i < grid.size(); ++i) {
    json::Value tree = json::parse(R"({"a":{},"c":0})");
    grid.apply(i, tree);
    const std::string text = json::write(json::get(tree, "a"));
    CHECK(grid.variant("a", i) < 4);
    CHECK_EQ(seen.try_emplace(grid.variant("a", i), text).first->second, text);
  }
  CHECK_EQ(seen.size(), std::size_t{4});
  const auto list = Points::list(json::parse(R"([{"c":1},{"c":1}])"));
  CHECK_EQ(list.variants("c"), std::size_t{2});
  CHECK(list.variant("c", 0) != list.variant("c", 1));
}

TEST(points, wrong_shapes_are_refused) {
  CHECK_THROWS_WITH(Points::grid(json::parse("{}")), Error, "axes: got an object");
  CHECK_THROWS_WITH(Points::grid(json::parse(R"([["a",[]]])")), Error, "a: got no values");
  CHECK_THROWS_WITH(Points::grid(json::parse(R"([["a"]])")), Error, "pairs [path, [values]]");
  CHECK_THROWS_WITH(Points::list(json::parse("[3]")), Error, "points: got 3");
}

TEST(points, know_whether_requests_may_be_shared) {
  const auto shares = [](const char* axes) {
    return Points::grid(json::parse(axes)).may_share_requests();
  };
  CHECK(!shares(R"([["workload.arrivals.rate_per_s",[1,2]],["seed",[1,2]]])"));
  CHECK(!shares(R"([["engine.block_size",[16]],["seed",[1,2]]])"));
  CHECK(shares(R"([["engine.block_size",[16,32]],["seed",[1,2]]])"));
  CHECK(Points::list(json::parse(R"([{"seed":1},{"model":"x"}])")).may_share_requests());
}

TEST(points, show_every_value) {
  const auto points = Points::list(json::parse(R"([{"c":1},{"a.b":2,"c":3}])"));
  std::string seen;
  points.for_each_value([&](std::string_view path, const json::Value& value) {
    seen.append(path).append("=").append(json::write(value)).append(" ");
  });
  CHECK_EQ(seen, "c=1 a.b=2 c=3 ");
}

}  // namespace
}  // namespace kvsim::runner
