#include <pybind11/pybind11.h>

#include "bindings/bindings.hpp"
#include "kvsim/version.hpp"

PYBIND11_MODULE(_native, m) {
  namespace b = kvsim::bindings;
  m.doc() = "The C++ engine of kvsim.";
  m.attr("__version__") = kvsim::version();
  b::bind_errors(m);
  b::bind_scenario(m);
  b::bind_inputs(m);
  b::bind_result(m);
  b::bind_cache(m);
  b::bind_memory(m);
  b::bind_simulate(m);
  b::bind_sweep(m);
  b::bind_queueing(m);
  b::bind_economics(m);
  b::bind_sharding(m);
}
