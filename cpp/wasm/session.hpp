// The engine for a host that has no Python: scenarios and catalogues as JSON texts, datasets as
// bytes, results as JSON text. Both WebAssembly (entry.cpp) and the standalone program use it.
#pragma once

#include <string>
#include <string_view>

#include "kvsim/simulate.hpp"

namespace kvsim {

class Session {
 public:
  void add_models(std::string_view json_text) { catalog_.add_models(json_text); }
  void add_gpus(std::string_view json_text) { catalog_.add_gpus(json_text); }
  void add_step_tables(std::string_view json_text) { catalog_.add_step_tables(json_text); }

  // A dataset's columns one after the other, each a line "NAME ROWS\n" and then ROWS integers of 64
  // bits, lowest byte first. NAME is a member of Dataset; hash_block_tokens has one row. Columns
  // that are missing stay empty. Fails with ErrorKind::config.
  void add_dataset(const std::string& name, std::string_view bytes);

  // The result of a scenario (result_json.hpp). Fails as kvsim::simulate does.
  [[nodiscard]] std::string simulate(std::string_view scenario_json) const;

  // The same for a host that reads columns in the engine's memory (view_json); they stay until the
  // next run.
  [[nodiscard]] std::string run(std::string_view scenario_json);

  // A scenario with every default filled in, canonical.
  [[nodiscard]] static std::string canonical(std::string_view scenario_json);

 private:
  [[nodiscard]] Result result_of(std::string_view scenario_json) const;
  Result last_;

  Catalog catalog_;
  Datasets datasets_;
};

}  // namespace kvsim
