// What the binding files share. Only cpp/bindings sees Python.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kvsim/core/int128.hpp"
#include "kvsim/scenario/json.hpp"
#include "kvsim/simulate.hpp"

namespace kvsim::bindings {

namespace py = pybind11;

// One function a file.
void bind_errors(py::module_& m);
void bind_scenario(py::module_& m);
void bind_inputs(py::module_& m);
void bind_result(py::module_& m);
void bind_cache(py::module_& m);
void bind_memory(py::module_& m);
void bind_simulate(py::module_& m);
void bind_sweep(py::module_& m);
void bind_queueing(py::module_& m);
void bind_economics(py::module_& m);
void bind_sharding(py::module_& m);

// A scenario's JSON text with every field checked. Knows a newer schema before its new fields do
// harm.
Scenario read_scenario(std::string_view text);

// A Python callable that gives the dataset of a name, None for a name that it does not know; its
// known() lists the names.
using Resolver = py::typing::Callable<py::typing::Optional<Dataset>(py::str)>;

// Asks for a dataset, once a name; false if there is none.
bool resolve_dataset(const Resolver& resolver, const std::string& name, Datasets& datasets);

// Adds the names of all datasets that could be asked for, without loading any: the error about an
// unknown one lists them.
void name_known(const Resolver& resolver, Datasets& datasets);

// A result with the scenario that it is of, as Python holds it.
struct BoundResult {
  std::shared_ptr<const Result> result;
  std::string scenario_json;
};

// A numpy view without a copy; it keeps `owner` alive and cannot be written to.
template <class T>
py::array view(const T* data, std::size_t size, py::handle owner) {
  const auto type = [] {
    if constexpr (std::is_same_v<T, char>) {
      return py::dtype("S1");
    } else {
      return py::dtype::of<T>();
    }
  }();
  py::array array(type, {size}, {sizeof(T)}, data, owner);
  py::detail::array_proxy(array.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return array;
}

inline py::object number(double value) {
  return value == value ? py::object(py::float_(value)) : py::object(py::none());
}
inline py::object number(std::int64_t value) { return py::int_(value); }
inline py::object number(Int128 value) {
  const auto low = static_cast<std::uint64_t>(value);
  const auto high = static_cast<std::int64_t>(value >> 64);
  return py::int_(high).attr("__lshift__")(64).attr("__or__")(py::int_(low));
}

}  // namespace kvsim::bindings
