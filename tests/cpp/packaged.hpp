// Files of python/kvsim/data, for tests.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

namespace kvsim_test {

inline std::string packaged(const std::string& name) {
  std::ifstream file(std::string(KVSIM_SOURCE_DIR) + "/python/kvsim/data/" + name,
                     std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace kvsim_test
