// The engine's errors as the exceptions of kvsim.errors.
#include <exception>

#include "bindings/bindings.hpp"
#include "kvsim/core/error.hpp"

namespace kvsim::bindings {
namespace {

const char* exception_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::config:
      return "ConfigError";
    case ErrorKind::infeasible:
      return "InfeasibleError";
    case ErrorKind::livelock:
      return "LivelockError";
    case ErrorKind::invariant:
      return "InvariantViolation";
    case ErrorKind::deadline:
      return "DeadlineExceeded";
    case ErrorKind::cancelled:
      return "KvsimError";
  }
  return "KvsimError";
}

}  // namespace

void bind_errors(py::module_&) {
  // Local: other modules of pybind11 in one process register translators for every std::exception.
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& error) {
      const py::object type =
          py::module_::import("kvsim.errors").attr(exception_name(error.kind()));
      py::set_error(type, error.what());
    }
  });
}

}  // namespace kvsim::bindings
