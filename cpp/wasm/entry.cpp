// The C ABI of kvsim.wasm. Texts and bytes are (address, size) in the module's memory, which the
// host gets with kvsim_alloc and gives back with kvsim_free. An error calls the import
// env.kvsim_host_error(kind, message, size) with kind as in core/error.hpp, and traps; the host
// then makes a new instance.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kvsim/version.hpp"
#include "session.hpp"
#include "theory_json.hpp"

#define KVSIM_EXPORT(name) extern "C" __attribute__((export_name(#name)))

namespace {

kvsim::Session& session() {
  static kvsim::Session instance;
  return instance;
}

std::string& output() {
  static std::string text;
  return text;
}

}  // namespace

KVSIM_EXPORT(kvsim_alloc) char* kvsim_alloc(std::size_t size) {
  return static_cast<char*>(std::malloc(size));
}

KVSIM_EXPORT(kvsim_free) void kvsim_free(char* address) { std::free(address); }

KVSIM_EXPORT(kvsim_add_models) void kvsim_add_models(const char* json, std::size_t size) {
  session().add_models({json, size});
}

KVSIM_EXPORT(kvsim_add_gpus) void kvsim_add_gpus(const char* json, std::size_t size) {
  session().add_gpus({json, size});
}

KVSIM_EXPORT(kvsim_add_step_tables)
void kvsim_add_step_tables(const char* json, std::size_t size) {
  session().add_step_tables({json, size});
}

KVSIM_EXPORT(kvsim_add_dataset)
void kvsim_add_dataset(const char* name, std::size_t name_size, const char* bytes,
                       std::size_t size) {
  session().add_dataset(std::string(name, name_size), {bytes, size});
}

// Runs a scenario; the result's JSON is then at kvsim_output() with kvsim_output_size() bytes,
// until the next call.
KVSIM_EXPORT(kvsim_simulate) void kvsim_simulate(const char* json, std::size_t size) {
  output() = session().simulate({json, size});
}

// The same, but columns stay in memory: view_json in result_json.hpp.
KVSIM_EXPORT(kvsim_run) void kvsim_run(const char* json, std::size_t size) {
  output() = session().run({json, size});
}

// A scenario with its defaults, to the same place.
KVSIM_EXPORT(kvsim_canonical) void kvsim_canonical(const char* json, std::size_t size) {
  output() = kvsim::Session::canonical({json, size});
}

// The value of a closed form or of the knee of a curve (theory_json.hpp), to the same place.
KVSIM_EXPORT(kvsim_theory) void kvsim_theory(const char* json, std::size_t size) {
  output() = kvsim::theory_json({json, size});
}

// The compiled-in version, to the same place.
KVSIM_EXPORT(kvsim_version) void kvsim_version() { output() = kvsim::version(); }

KVSIM_EXPORT(kvsim_output) const char* kvsim_output() { return output().data(); }

KVSIM_EXPORT(kvsim_output_size) std::size_t kvsim_output_size() { return output().size(); }
