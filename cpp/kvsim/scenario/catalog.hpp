// Models and GPUs by name, read from the catalogue's JSON text.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "kvsim/scenario/catalog_types.hpp"
#include "kvsim/step_time/tables.hpp"

namespace kvsim {

class Catalog {
 public:
  // Each text is a JSON object {name: {fields}} or an array of such inline objects.
  void add_models(std::string_view json_text);
  void add_gpus(std::string_view json_text);
  // Measured operators of one GPU (step_time/tables.hpp), found by the GPU's name.
  void add_step_tables(std::string_view json_text);

  // A name that is not there fails with ErrorKind::config, the field's path and the nearest names.
  [[nodiscard]] const ModelSpec& model(const std::variant<std::string, ModelSpec>& m,
                                       std::string_view path) const;
  [[nodiscard]] const GpuSpec& gpu(const std::variant<std::string, GpuSpec>& g,
                                   std::string_view path) const;
  // Whether a GPU has the name of one of the catalogue, but is another by what its kernels' times
  // depend on.
  [[nodiscard]] bool alters(const GpuSpec& gpu) const;
  // Null if there are none of this name.
  [[nodiscard]] const GpuTables* step_tables(std::string_view gpu) const;

 private:
  std::map<std::string, ModelSpec, std::less<>> models_;
  std::map<std::string, GpuSpec, std::less<>> gpus_;
  std::map<std::string, GpuTables, std::less<>> step_tables_;
};

}  // namespace kvsim
