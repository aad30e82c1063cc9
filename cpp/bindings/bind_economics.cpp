// Closed forms of costs and of speculation; python/kvsim/costs and python/kvsim/speculation.py
// document them.
#include <pybind11/stl.h>

#include <vector>

#include "bindings/bindings.hpp"
#include "kvsim/theory/economics.hpp"
#include "kvsim/theory/speculation.hpp"

namespace kvsim::bindings {

namespace t = kvsim::theory;

void bind_economics(py::module_& m) {
  const auto training = py::arg("training_usd");
  const auto query = py::arg("usd_per_query");
  const auto traffic = py::arg("queries_per_day");
  const auto growth = py::arg("growth_per_year");
  const auto days = py::arg("days");
  m.def(
      "costs_queries_served",
      [](double c, double q, double n, double g, double d) {
        return t::queries_served({c, q, n, g}, d);
      },
      training, query, traffic, growth, days);
  m.def(
      "costs_serving_usd",
      [](double c, double q, double n, double g, double d) {
        return t::serving_cost_usd({c, q, n, g}, d);
      },
      training, query, traffic, growth, days);
  m.def(
      "costs_cumulative_usd",
      [](double c, double q, double n, double g, double d) {
        return t::cumulative_cost_usd({c, q, n, g}, d);
      },
      training, query, traffic, growth, days);
  m.def(
      "costs_serving_share",
      [](double c, double q, double n, double g, double d) {
        return t::serving_share({c, q, n, g}, d);
      },
      training, query, traffic, growth, days);
  m.def(
      "costs_break_even_days",
      [](double c, double q, double n, double g) { return t::break_even_days({c, q, n, g}); },
      training, query, traffic, growth);
  m.def(
      "speculation_tokens_per_pass",
      [](double acceptance, std::int64_t drafts) { return t::tokens_per_pass(acceptance, drafts); },
      py::arg("acceptance"), py::arg("drafts"));
  m.def(
      "speculation_tokens_per_pass_by_position",
      [](const std::vector<double>& acceptance) { return t::tokens_per_pass(acceptance); },
      py::arg("acceptance"));
  m.def("speculation_speedup", &t::speculation_speedup, py::arg("acceptance"), py::arg("drafts"),
        py::arg("draft_cost"));
  m.def("speculation_best_drafts", &t::best_drafts, py::arg("acceptance"), py::arg("draft_cost"),
        py::arg("most"));
}

}  // namespace kvsim::bindings
