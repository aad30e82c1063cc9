#include <pybind11/pybind11.h>

#include "kvsim/version.hpp"

PYBIND11_MODULE(_native, m) {
  m.doc() = "The C++ engine of kvsim.";
  m.attr("__version__") = kvsim::version();
}
