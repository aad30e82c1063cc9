#include "runner/sweep.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/metrics/summary.hpp"
#include "kvsim/scenario/scenario_json.hpp"

namespace kvsim::runner {
namespace {

json::Value base() {
  return to_json(from_json<Scenario>(json::parse(R"({
    "engine": {"num_gpu_blocks": 400, "max_model_len": 4096},
    "step_time": {"kind": "affine"},
    "workload": {"num_requests": 40, "lengths": {"kind": "uniform"}},
    "record": "summary"})")));
}

const Catalog& catalog() {
  static const Catalog empty;
  return empty;
}
const Datasets& datasets() {
  static const Datasets none;
  return none;
}

bool go_on(std::size_t) { return true; }

Sweep sweep_of(const char* axes) {
  return Sweep(base(), Points::grid(json::parse(axes)), catalog(), datasets());
}

std::string figures(const Sweep& sweep) {
  std::string text;
  for (std::size_t f = 0; f < summary_fields().size(); ++f) {
    for (const double value : sweep.column(f)) text += json::write_double(value) + " ";
  }
  return text;
}

constexpr const char* mixed = R"([
  ["workload.arrivals.rate_per_s", [1, 30, -1]],
  ["engine.num_gpu_blocks", [10, 60, 400]],
  ["engine.max_num_seqs", [2, 64]]])";

TEST(sweep, does_not_depend_on_the_number_of_threads) {
  Sweep one = sweep_of(mixed);
  CHECK(one.run(1, go_on, std::nullopt) == Sweep::End::finished);
  for (const int threads : {2, 7, 100}) {
    Sweep many = sweep_of(mixed);
    CHECK(many.run(threads, go_on, std::nullopt) == Sweep::End::finished);
    CHECK_EQ(figures(many), figures(one));
    CHECK(std::ranges::equal(many.status(), one.status()));
    CHECK(many.reasons() == one.reasons());
  }
}

TEST(sweep, a_point_is_the_simulation_of_its_scenario) {
  Sweep sweep = sweep_of(mixed);
  sweep.run(3, go_on, std::nullopt);
  for (std::size_t i = 0; i < sweep.size(); ++i) {
    std::vector<double> alone(summary_fields().size());
    try {
      const auto scenario = from_json<Scenario>(sweep.scenario(i));
      alone = simulate(scenario, {&catalog(), &datasets(), {}}).summary;
    } catch (const Error& error) {
      CHECK_EQ(sweep.reasons().at(i), std::string(error.what()));
      const Status expected =
          error.kind() == ErrorKind::config ? Status::invalid : Status::infeasible;
      CHECK(sweep.status()[i] == static_cast<std::uint8_t>(expected));
      continue;
    }
    for (std::size_t f = 0; f < alone.size(); ++f) {
      CHECK_EQ(json::write_double(sweep.column(f)[i]), json::write_double(alone[f]));
    }
  }
}

TEST(sweep, keeps_results_where_the_point_records_more) {
  Sweep sweep = sweep_of(R"([["record", ["summary", "requests"]]])");
  sweep.run(2, go_on, std::nullopt);
  CHECK(sweep.result(0) == nullptr);
  REQUIRE(sweep.result(1) != nullptr);
  CHECK_EQ(sweep.result(1)->requests.finish_ns.size(), 40U);
}

TEST(sweep, frees_results_on_demand) {
  Sweep sweep = sweep_of(R"([["record", ["requests"]]])");
  sweep.run(1, go_on, std::nullopt);
  sweep.drop_result(0);
  CHECK(sweep.result(0) == nullptr);
}

TEST(sweep, finished_points_are_taken_once_and_whole) {
  Sweep sweep = sweep_of(mixed);
  std::vector<std::size_t> taken;
  const auto take = [&](std::size_t done) {
    for (const std::size_t i : sweep.take_finished()) {
      taken.push_back(i);
      CHECK_EQ(static_cast<int>(sweep.finished()[i]), 1);
      // Points with figures have all of them when they are announced.
      if (sweep.reason_of(i).empty()) CHECK(!std::isnan(sweep.column(0)[i]));
    }
    CHECK(taken.size() <= sweep.size());
    CHECK(done <= sweep.size());
    return true;
  };
  sweep.run(4, take, std::nullopt);
  take(0);
  std::ranges::sort(taken);
  CHECK_EQ(taken.size(), sweep.size());
  for (std::size_t i = 0; i < taken.size(); ++i) CHECK_EQ(taken[i], i);
  CHECK(sweep.take_finished().empty());
}

std::vector<Digest> keys_of(Sweep& sweep) {
  std::vector<std::int64_t> points(sweep.size());
  std::iota(points.begin(), points.end(), 0);
  std::vector<Digest> out(sweep.size());
  sweep.keys(points, 2, out.data());
  return out;
}

std::vector<Digest> keys_of(const char* axes, const char* version = "v") {
  Sweep sweep = sweep_of(axes);
  sweep.note_keys({}, version);
  return keys_of(sweep);
}

TEST(sweep, keys_do_not_depend_on_how_a_value_is_written) {
  const auto short_form = keys_of(R"([["step_time", [{"kind": "affine"}]], ["seed", [3]]])");
  CHECK(short_form ==
        keys_of(R"([["seed", [3]], ["step_time", [{"kind": "affine", "a_ns": 5e6}]]])"));
  CHECK(short_form != keys_of(R"([["seed", [4]], ["step_time", [{"kind": "affine"}]]])"));
  CHECK(short_form != keys_of(R"([["seed", [3]], ["step_time", [{"kind": "affine"}]]])", "w"));
}

TEST(sweep, keys_of_a_grid_are_those_of_its_points_and_all_differ) {
  Sweep grid = sweep_of(mixed);
  grid.note_keys({}, "v");
  grid.run(3, go_on, std::nullopt);
  const std::vector<Digest> noted = keys_of(grid);
  CHECK(noted == keys_of(mixed));
  json::Array points;
  for (std::size_t i = 0; i < grid.size(); ++i) points.emplace_back(grid.scenario(i));
  for (std::size_t i = 0; i < grid.size(); ++i) {
    json::Object point;
    for (const auto& [name, value] : points[i].if_object()->members()) point.set(name, value);
    Sweep alone(base(), Points::list(json::Array{point}), catalog(), datasets());
    alone.note_keys({}, "v");
    CHECK(keys_of(alone)[0] == noted[i]);
  }
  CHECK_EQ(std::set<Digest>(noted.begin(), noted.end()).size(), grid.size());
}

TEST(sweep, keys_have_the_content_of_traces_that_callers_named) {
  constexpr const char* axes = R"([["workload.lengths", [{"kind": "dataset", "name": "a"}]]])";
  const auto key = [&](std::map<std::string, std::string> contents) {
    Sweep sweep = sweep_of(axes);
    sweep.note_keys(std::move(contents), "v");
    return keys_of(sweep)[0];
  };
  CHECK(key({{"a", "1"}}) != key({{"a", "2"}}));
  CHECK(key({{"b", "1"}}) == key({}));
}

TEST(sweep, stops_and_goes_on_with_what_is_left) {
  constexpr const char* slow = R"([
    ["seed", [1, 2, 3, 4, 5, 6, 7, 8]], ["mode", ["step"]],
    ["workload.num_requests", [20, 400000]]])";
  Sweep sweep = sweep_of(slow);
  CHECK(
      sweep.run(2, [](std::size_t done) { return done < 2; }, std::nullopt) == Sweep::End::stopped);
  std::size_t finished = 0;
  for (const std::uint8_t flag : sweep.finished()) finished += flag;
  CHECK(finished >= 2);
  CHECK(finished < sweep.size());
  for (std::size_t i = 0; i < sweep.size(); ++i) {
    CHECK_EQ(std::isnan(sweep.column(0)[i]), sweep.finished()[i] == 0);
  }
  CHECK(sweep.run(1, go_on, 1e-3) == Sweep::End::deadline);
}

TEST(sweep, what_the_watcher_throws_leaves) {
  Sweep sweep = sweep_of(R"([["workload.num_requests", [3000000]], ["mode", ["step"]]])");
  const auto fails = [](std::size_t) -> bool { throw std::runtime_error("callback"); };
  CHECK_THROWS_WITH(sweep.run(1, fails, std::nullopt), std::runtime_error, "callback");
  CHECK_EQ(static_cast<int>(sweep.finished()[0]), 0);
}

}  // namespace
}  // namespace kvsim::runner
