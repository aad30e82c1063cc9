// Results: columns without a copy, figures as Python values.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bindings/bindings.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/metrics/load_curve.hpp"
#include "kvsim/metrics/mean_parts.hpp"
#include "kvsim/metrics/summary.hpp"
#include "kvsim/result_fields.hpp"

namespace kvsim::bindings {
namespace {

using Columns = py::typing::Dict<py::str, py::array>;
using Itl = py::typing::Tuple<py::array_t<std::int64_t>, py::array_t<std::int64_t>, py::bool_>;

const Result& of(const py::object& self) { return *self.cast<const BoundResult&>().result; }

// The columns of a table that were recorded, by name.
Columns columns(const py::object& self, std::string_view table) {
  Columns out;
  const auto add = [&](const char* name, const auto& column) {
    if (!column.empty()) out[name] = view(column.data(), column.size(), self);
  };
  const Result& result = of(self);
  if (table == "requests") {
    for_each_column(result.requests, add);
  } else if (table == "steps") {
    for_each_column(result.steps, add);
  } else if (table == "entries") {
    for_each_column(result.entries, add);
  } else if (table == "heatmap") {
    for_each_column(result.heatmap, add);
  } else if (table == "fleet_events") {
    for_each_column(result.fleet_events, add);
  } else {
    bad_field("table", quoted(table), "requests, steps, entries, heatmap or fleet_events");
  }
  return out;
}

py::typing::Dict<py::str, py::typing::Optional<py::float_>> summary(const BoundResult& self) {
  py::typing::Dict<py::str, py::typing::Optional<py::float_>> out;
  for (std::size_t i = 0; i < summary_fields().size(); ++i) {
    out[py::str(std::string(summary_fields()[i].name))] = number(self.result->summary[i]);
  }
  return out;
}

py::typing::Dict<py::str, py::int_> totals(const BoundResult& self) {
  py::typing::Dict<py::str, py::int_> out;
  const auto add = [&](const char* name, const auto& value) { out[name] = number(value); };
  for_each_total(self.result->totals, add);
  for_each_total(self.result->fleet, add);
  return out;
}

py::typing::Dict<py::str, py::object> kv_budget(const BoundResult& self) {
  py::typing::Dict<py::str, py::object> out;
  for_each_member(self.result->kv_budget,
                  [&](const char* name, const auto& value) { out[name] = number(value); });
  return out;
}

// What the step times rest on, and the residuals of that class: quantiles of measured / simulated.
py::typing::Dict<py::str, py::object> trust(const BoundResult& self) {
  py::typing::Dict<py::str, py::object> out;
  const Trust& t = self.result->trust;
  out["calibration"] = py::str(std::string(calibration_name(t.calibration)));
  out["residuals"] = py::none();
  if (t.residuals == nullptr) return out;
  py::dict r;
  r["name"] = std::string(t.residuals->name);
  r["of"] = std::string(t.residuals->of);
  r["number"] = t.residuals->number;
  const auto band = [](const ErrorBand& b) { return py::make_tuple(b.low, b.high); };
  r["ttft"] = band(t.residuals->ttft);
  r["tpot"] = band(t.residuals->tpot);
  r["e2e"] = band(t.residuals->e2e);
  out["residuals"] = r;
  return out;
}

// (gaps in ns, how often each occurred, whether they are exact)
Itl itl(const BoundResult& self) {
  const auto entries = self.result->itl.distinct();
  py::array_t<std::int64_t> values(static_cast<py::ssize_t>(entries.size()));
  py::array_t<std::int64_t> counts(static_cast<py::ssize_t>(entries.size()));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    values.mutable_data()[i] = entries[i].value_ns;
    counts.mutable_data()[i] = static_cast<std::int64_t>(entries[i].count);
  }
  return py::make_tuple(values, counts, self.result->itl.exact());
}

using Parts = py::typing::Tuple<py::int_, py::typing::Dict<py::str, py::float_>>;

// How many requests there are between two percentiles of a latency, and the means of its parts in
// ms; no parts if they were not kept.
Parts mean_parts_of(const BoundResult& self, bool ttft, double low, double high) {
  const MeanParts mean =
      mean_parts(self.result->requests, ttft ? LatencyKind::ttft : LatencyKind::e2e, low, high);
  py::typing::Dict<py::str, py::float_> parts;
  for (const auto& [name, ms] : mean.parts_ms) parts[py::str(std::string(name))] = ms;
  return py::make_tuple(mean.requests, parts);
}

std::optional<double> backlog(const BoundResult& self) {
  const Result& r = *self.result;
  return backlog_throughput(r.requests.finish_ns, r.requests.scheduled_ns, r.totals.max_running);
}

using Point = py::typing::Tuple<py::float_, py::float_, py::float_, py::float_>;

std::optional<Point> knee(const std::vector<double>& offered, const std::vector<double>& achieved,
                          const std::vector<double>& latency) {
  if (offered.size() != latency.size() || achieved.size() != latency.size()) {
    bad_field("knee", "columns of different lengths", "one value a point in each");
  }
  const auto found = find_knee(offered, achieved, latency);
  if (!found) return std::nullopt;
  return Point(
      py::make_tuple(found->offered_per_s, found->achieved_per_s, found->latency, found->low_load));
}

}  // namespace

void bind_result(py::module_& m) {
  py::class_<BoundResult>(m, "Result", "What a run left behind.")
      .def_property_readonly(
          "status",
          [](const BoundResult& r) { return r.result->status == Status::ok ? "ok" : "unstable"; })
      .def_property_readonly("reason", [](const BoundResult& r) { return r.result->reason; })
      .def_property_readonly("warnings", [](const BoundResult& r) { return r.result->warnings; })
      .def_readonly("scenario_json", &BoundResult::scenario_json)
      .def("columns", &columns, py::arg("table"), "The recorded columns of a table, read-only.")
      .def("summary", &summary)
      .def("totals", &totals)
      .def("kv_budget", &kv_budget)
      .def("trust", &trust)
      .def("itl", &itl)
      .def("mean_parts", &mean_parts_of, py::arg("ttft"), py::arg("low"), py::arg("high"))
      .def("backlog_throughput", &backlog)
      .def(
          "itl_quantile_ns",
          [](const BoundResult& r, double q) {
            return r.result->itl.quantiles_ns(std::span<const double>(&q, 1)).front();
          },
          py::arg("q"));
  m.def("find_knee", &knee, py::arg("offered_per_s"), py::arg("achieved_per_s"), py::arg("latency"),
        "(offered, achieved, latency, lowest load's latency) at the knee, None if there is none.");
}

}  // namespace kvsim::bindings
