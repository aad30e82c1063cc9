// One simulation, on a thread of its own so that this one can watch for Ctrl-C, the deadline and
// memory, and report progress.
#include <chrono>
#include <cstdint>
#include <new>
#include <optional>
#include <utility>
#include <variant>

#include "bindings/bindings.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/scenario/scenario_json.hpp"
#include "runner/memory.hpp"
#include "runner/watched.hpp"

namespace kvsim::bindings {
namespace {

// Calls progress(done, total) whenever there is news, with the GIL held.
class Progress {
 public:
  Progress(const py::object& call, std::int64_t total) : call_(call), total_(total) {}
  void report(std::int64_t done) {
    if (call_.is_none() || done == reported_) return;
    call_(done, total_);
    reported_ = done;
  }

 private:
  const py::object& call_;
  std::int64_t total_;
  std::int64_t reported_ = 0;
};

BoundResult simulate_watched(std::string_view text, const Catalog& catalog,
                             const Resolver& resolver, const py::object& progress,
                             std::optional<double> deadline_s) {
  const Scenario scenario = read_scenario(text);
  Datasets datasets;
  if (const auto* lengths = std::get_if<DatasetLengths>(&scenario.workload.lengths)) {
    if (!resolve_dataset(resolver, lengths->name, datasets)) name_known(resolver, datasets);
  }
  runner::check_memory(scenario, datasets);
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  bool late = false;
  runner::StopFlag stop;
  volatile std::int64_t completed = 0;
  const std::int64_t requests = runner::num_requests(scenario, datasets);
  Progress reports(progress, requests);
  const Inputs inputs{.catalog = &catalog,
                      .datasets = &datasets,
                      .control = {.stop = &stop.value, .completed = &completed}};
  auto result = std::make_shared<Result>();
  try {
    const py::gil_scoped_release release;
    runner::run_watched(
        1, [&](int) { *result = simulate(scenario, inputs); }, stop,
        [&] {
          runner::watch_memory();
          const py::gil_scoped_acquire acquire;
          if (PyErr_CheckSignals() != 0) throw py::error_already_set();
          reports.report(completed);
          late = deadline_s &&
                 std::chrono::duration<double>(Clock::now() - start).count() >= *deadline_s;
          return !late;
        });
  } catch (const Error& error) {
    if (!late || error.kind() != ErrorKind::cancelled) throw;
    fail(ErrorKind::deadline,
         "deadline_s: the run was not done after " + json::write_double(*deadline_s) + " s");
  } catch (const runner::OutOfMemory&) {
    throw;
  } catch (const std::bad_alloc&) {
    runner::out_of_memory();
  }
  reports.report(requests);
  return {std::move(result), json::write(to_json(scenario))};
}

}  // namespace

void bind_simulate(py::module_& m) {
  m.def("simulate", &simulate_watched, py::arg("scenario_json"), py::arg("catalog"),
        py::arg("resolver"), py::arg("progress"), py::arg("deadline_s"),
        "Run one scenario. The resolver returns the Dataset of a name, or None; progress is called "
        "with (requests finished, requests in all), or is None.");
}

}  // namespace kvsim::bindings
