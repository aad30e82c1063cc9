#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "calls.hpp"

namespace py = pybind11;

PYBIND11_MODULE(with_pybind11, m) {
  py::class_<kvsim::Result>(m, "Result")
      .def_property_readonly("completed", [](const kvsim::Result& r) { return r.totals.completed; })
      .def_property_readonly("finish_ns", [](py::object self) {
        const auto& column = self.cast<const kvsim::Result&>().requests.finish_ns;
        py::array array(py::dtype::of<std::int64_t>(), {column.size()}, {sizeof(std::int64_t)},
                        column.data(), self);
        py::detail::array_proxy(array.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
        return array;
      });
  m.def("simulate_tiny", &kvsim_bench::simulate_tiny, py::arg("num_requests"),
        py::call_guard<py::gil_scoped_release>());
  m.def("with_rows", &kvsim_bench::with_rows, py::arg("rows"));
}
