// Sweeps: many simulations on threads, with progress, Ctrl-C and a deadline.
#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "bindings/bindings.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/metrics/summary.hpp"
#include "kvsim/scenario/scenario_json.hpp"
#include "runner/sweep.hpp"

namespace kvsim::bindings {
namespace {

using runner::Digest;
using runner::Points;
using runner::Sweep;

constexpr std::string_view status_names[] = {"ok", "infeasible", "unstable", "livelock", "invalid"};

// The dataset that a value names where it is set, if it does: a workload, its lengths, or a name.
void find_dataset_names(std::string_view path, const json::Value& value,
                        std::vector<std::string>& names) {
  if (path == "workload" || path == "workload.lengths") {
    const json::Object* object = value.if_object();
    const std::string_view inner = path == "workload" ? "lengths" : "name";
    const json::Value* member = object == nullptr ? nullptr : object->find(inner);
    if (member != nullptr) {
      find_dataset_names(std::string(path).append(".").append(inner), *member, names);
    }
  }
  if (path == "workload.lengths" || path == "workload.lengths.name") {
    if (const std::string* name = value.if_string()) names.push_back(*name);
  }
}

// A sweep as Python holds it, with what it needs to stay alive.
class BoundSweep {
 public:
  BoundSweep(std::string_view base, std::string_view points, bool grid, const Catalog& catalog,
             const Resolver& resolver, const std::string& record, int threads)
      : threads_(threads) {
    const json::Value parsed = json::parse(points, "axes", json::Constants::read);
    Points set = grid ? Points::grid(parsed) : Points::list(parsed);
    json::Value tree = to_json(read_scenario(base));
    json::set(tree, "record", record);
    std::vector<std::string> names;
    find_dataset_names("workload", json::get(tree, "workload"), names);
    set.for_each_value([&](std::string_view path, const json::Value& value) {
      find_dataset_names(path, value, names);
    });
    // A name that nobody knows makes the points that use it invalid.
    bool all = true;
    for (const std::string& name : names) all = resolve_dataset(resolver, name, datasets_) && all;
    if (!all) name_known(resolver, datasets_);
    sweep_ = std::make_unique<Sweep>(std::move(tree), std::move(set), catalog, datasets_);
  }

  // True if Ctrl-C ended it. `watch` is called with the points done, every 40 ms and at the end;
  // False stops the sweep.
  bool run(const py::object& watch, std::optional<double> deadline_s) {
    bool interrupted = false;
    const auto poll = [&](std::size_t done) {
      const py::gil_scoped_acquire acquire;
      try {
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        if (!watch.is_none() && watch(done).is(py::handle(Py_False))) return false;
      } catch (py::error_already_set& error) {
        if (!error.matches(PyExc_KeyboardInterrupt)) throw;
        interrupted = true;
      }
      return !interrupted;
    };
    const py::gil_scoped_release release;
    sweep_->run(threads_, poll, deadline_s);
    return interrupted;
  }

  [[nodiscard]] const Sweep& sweep() const { return *sweep_; }
  [[nodiscard]] Sweep& sweep() { return *sweep_; }
  [[nodiscard]] int threads() const { return threads_; }

 private:
  int threads_;
  Datasets datasets_;
  std::unique_ptr<Sweep> sweep_;
};

py::array column(const py::object& self, const std::string& name) {
  const std::size_t index = summary_index(name);
  if (index == summary_fields().size()) bad_field("column", quoted(name), "a summary field");
  const auto values = self.cast<const BoundSweep&>().sweep().column(index);
  return view(values.data(), values.size(), self);
}

std::optional<BoundResult> result(const BoundSweep& self, std::size_t i) {
  auto found = self.sweep().result(i);
  if (found == nullptr) return std::nullopt;
  const auto scenario = from_json<Scenario>(self.sweep().scenario(i));
  return BoundResult{std::move(found), json::write(to_json(scenario))};
}

using Rows = py::typing::Tuple<py::array_t<std::int64_t>, py::array_t<std::uint8_t>,
                               py::array_t<std::uint8_t>, py::array_t<double>,
                               py::typing::Dict<py::int_, py::str>,
                               py::typing::Dict<py::int_, py::typing::List<py::str>>>;

// The rows of the points that have finished since the last call, in order of the points.
Rows take_rows(BoundSweep& self) {
  std::vector<std::size_t> points = self.sweep().take_finished();
  std::ranges::sort(points);
  const auto n = static_cast<py::ssize_t>(points.size());
  const std::size_t fields = summary_fields().size();
  py::array_t<std::int64_t> index(n);
  py::array_t<std::uint8_t> status(n);
  py::array_t<std::uint8_t> calibration(n);
  // A figure after the other, as the sweep has them, and as a store writes them.
  py::array_t<double> figures({static_cast<py::ssize_t>(fields), n});
  py::typing::Dict<py::int_, py::str> reasons;
  py::typing::Dict<py::int_, py::typing::List<py::str>> warnings;
  double* out = figures.mutable_data();
  for (std::size_t f = 0; f < fields; ++f) {
    const std::span<const double> column = self.sweep().column(f);
    for (const std::size_t i : points) *out++ = column[i];
  }
  for (std::size_t k = 0; k < points.size(); ++k) {
    const std::size_t i = points[k];
    index.mutable_data()[k] = static_cast<std::int64_t>(i);
    status.mutable_data()[k] = self.sweep().status()[i];
    calibration.mutable_data()[k] = self.sweep().calibration()[i];
    if (std::string reason = self.sweep().reason_of(i); !reason.empty()) {
      reasons[py::int_(i)] = py::str(reason);
    }
    if (const auto texts = self.sweep().warnings_of(i); !texts.empty()) {
      warnings[py::int_(i)] = py::cast(texts);
    }
  }
  return py::make_tuple(index, status, calibration, figures, reasons, warnings);
}

// Keys of some points, a row of 32 bytes each.
py::array_t<std::uint8_t> keys(BoundSweep& self, const py::array_t<std::int64_t>& points) {
  const std::size_t n = static_cast<std::size_t>(points.size());
  for (std::size_t k = 0; k < n; ++k) {
    const std::int64_t i = points.data()[k];
    if (i < 0 || i >= static_cast<std::int64_t>(self.sweep().size())) {
      bad_field("points", std::to_string(i), "numbers of points");
    }
  }
  py::array_t<std::uint8_t> out({points.size(), static_cast<py::ssize_t>(sizeof(Digest))});
  auto* digests = reinterpret_cast<Digest*>(out.mutable_data());
  const std::span<const std::int64_t> asked(points.data(), n);
  const py::gil_scoped_release release;
  self.sweep().keys(asked, self.threads(), digests);
  return out;
}

}  // namespace

void bind_sweep(py::module_& m) {
  py::class_<BoundSweep>(m, "Sweep", "The points of a sweep and what they gave.")
      .def(py::init<std::string_view, std::string_view, bool, const Catalog&, const Resolver&,
                    const std::string&, int>(),
           py::arg("base_json"), py::arg("points_json"), py::arg("grid"), py::arg("catalog"),
           py::arg("resolver"), py::arg("record"), py::arg("threads"),
           py::keep_alive<1, 5>())  // the catalogue
      .def("run", &BoundSweep::run, py::arg("watch"), py::arg("deadline_s"),
           "Run the unfinished points; return whether Ctrl-C ended it. watch gets the points done "
           "every 40 ms and at the end; False stops.")
      .def_property_readonly("num_points", [](const BoundSweep& s) { return s.sweep().size(); })
      .def_property_readonly("scenario_json",
                             [](const BoundSweep& s) { return json::write(s.sweep().base()); })
      .def_property_readonly("finished",
                             [](const py::object& self) {
                               const auto f = self.cast<const BoundSweep&>().sweep().finished();
                               static_assert(sizeof(bool) == 1);
                               return view(reinterpret_cast<const bool*>(f.data()), f.size(), self);
                             })
      .def_property_readonly("status",
                             [](const py::object& self) {
                               const auto s = self.cast<const BoundSweep&>().sweep().status();
                               return view(s.data(), s.size(), self);
                             })
      .def_property_readonly("calibration",
                             [](const py::object& self) {
                               const auto c = self.cast<const BoundSweep&>().sweep().calibration();
                               return view(c.data(), c.size(), self);
                             })
      .def("column", &column, py::arg("name"), "A summary field of all points, without a copy.")
      .def("reasons", [](const BoundSweep& s) { return s.sweep().reasons(); })
      .def("warnings", [](const BoundSweep& s) { return s.sweep().warnings(); })
      .def("result", &result, py::arg("point"))
      .def(
          "drop_result", [](BoundSweep& s, std::size_t i) { s.sweep().drop_result(i); },
          py::arg("point"), "Free what a point's record kept.")
      .def("take_rows", &take_rows,
           "Points finished since the last call: numbers, status, calibration, figures (a "
           "column a point), reasons and warnings by point.")
      .def(
          "note_keys",
          [](BoundSweep& s, std::map<std::string, std::string> datasets, std::string version) {
            s.sweep().note_keys(std::move(datasets), std::move(version));
          },
          py::arg("datasets"), py::arg("version"),
          "Let the threads note the content hash of each point that they run: of its scenario, the "
          "contents of the trace that it names (by name) and a text.")
      .def("keys", &keys, py::arg("points"),
           "Content hashes of some points, 32 bytes a row; after note_keys.");
  m.def(
      "status_names",
      [] { return std::vector<std::string>(std::begin(status_names), std::end(status_names)); },
      "Statuses by the numbers that Sweep.status has.");
  m.def(
      "calibration_names",
      [] {
        std::vector<std::string> names;
        for (const auto& entry : calibrations) names.emplace_back(entry.second);
        return names;
      },
      "Calibrations by the numbers that Sweep.calibration has.");
}

}  // namespace kvsim::bindings
