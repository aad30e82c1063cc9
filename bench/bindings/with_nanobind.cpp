#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "calls.hpp"

namespace nb = nanobind;

NB_MODULE(with_nanobind, m) {
  nb::class_<kvsim::Result>(m, "Result")
      .def_prop_ro("completed", [](const kvsim::Result& r) { return r.totals.completed; })
      .def_prop_ro("finish_ns", [](nb::handle self) {
        const auto& column = nb::cast<const kvsim::Result&>(self).requests.finish_ns;
        return nb::ndarray<nb::numpy, const std::int64_t, nb::ndim<1>>(column.data(),
                                                                       {column.size()}, self);
      });
  m.def("simulate_tiny", &kvsim_bench::simulate_tiny, nb::arg("num_requests"),
        nb::call_guard<nb::gil_scoped_release>());
  m.def("with_rows", &kvsim_bench::with_rows, nb::arg("rows"));
}
