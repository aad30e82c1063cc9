#include "kvsim/version.hpp"

#include <fstream>
#include <iterator>

#include "check.hpp"

TEST(version, is_the_one_in_pyproject) {
  std::ifstream file(KVSIM_SOURCE_DIR "/pyproject.toml");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  REQUIRE(!text.empty());
  const std::string line = std::string("\nversion = \"") + kvsim::version() + "\"\n";
  CHECK(text.find(line) != std::string::npos);
}
