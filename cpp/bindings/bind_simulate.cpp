// One simulation, on a thread of its own so that this one can watch for Ctrl-C and the deadline.
#include <chrono>
#include <optional>
#include <utility>
#include <variant>

#include "bindings/bindings.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/scenario/field_json.hpp"
#include "runner/watched.hpp"

namespace kvsim::bindings {
namespace {

BoundResult simulate_watched(std::string_view text, const Catalog& catalog,
                             const Resolver& resolver, std::optional<double> deadline_s) {
  const Scenario scenario = read_scenario(text);
  Datasets datasets;
  if (const auto* lengths = std::get_if<DatasetLengths>(&scenario.workload.lengths)) {
    if (!resolve_dataset(resolver, lengths->name, datasets)) resolver.attr("fail")(lengths->name);
  }
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  bool late = false;
  runner::StopFlag stop;
  const Inputs inputs{.catalog = &catalog, .datasets = &datasets, .control = {.stop = &stop.value}};
  auto result = std::make_shared<Result>();
  {
    const py::gil_scoped_release release;
    try {
      runner::run_watched(
          1, [&](int) { *result = simulate(scenario, inputs); }, stop,
          [&] {
            const py::gil_scoped_acquire acquire;
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            late = deadline_s &&
                   std::chrono::duration<double>(Clock::now() - start).count() >= *deadline_s;
            return !late;
          });
    } catch (const Error& error) {
      if (!late || error.kind() != ErrorKind::cancelled) throw;
      fail(ErrorKind::deadline,
           "deadline_s: the run was not done after " + json::write_double(*deadline_s) + " s");
    }
  }
  return {std::move(result), json::write(to_json(scenario))};
}

}  // namespace

void bind_simulate(py::module_& m) {
  m.def("simulate", &simulate_watched, py::arg("scenario_json"), py::arg("catalog"),
        py::arg("resolver"), py::arg("deadline_s"),
        "Run one scenario. The resolver returns the Dataset of a name, or None.");
}

}  // namespace kvsim::bindings
