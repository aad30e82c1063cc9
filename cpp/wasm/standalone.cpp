// kvsim-standalone [--models FILE] [--gpus FILE] [--step-tables FILE]... [--dataset NAME=FILE]...
//                  SCENARIO
//
// Runs a scenario (a JSON file, or - for standard input) without Python and prints the result's
// JSON. Exits with 1 and one line, "KIND: MESSAGE", if the engine fails. The tests run it on other
// platforms; files are read here, never in the engine.

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>

#include "kvsim/core/error.hpp"
#include "session.hpp"

namespace {

std::string read(const std::string& path) {
  if (path == "-") {
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    kvsim::bad_field("file", kvsim::quoted(path), "a file that can be read");
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

int run(int argc, char** argv) {
  kvsim::Session session;
  int i = 1;
  for (; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    const std::string value = argv[i + 1];
    if (option == "--models") {
      session.add_models(read(value));
    } else if (option == "--gpus") {
      session.add_gpus(read(value));
    } else if (option == "--step-tables") {
      session.add_step_tables(read(value));
    } else if (const std::size_t equals = value.find('=');
               option == "--dataset" && equals != std::string::npos) {
      session.add_dataset(value.substr(0, equals), read(value.substr(equals + 1)));
    } else {
      break;
    }
  }
  if (i != argc - 1) {
    std::cerr << "use: kvsim-standalone [--models FILE] [--gpus FILE] [--step-tables FILE]... "
                 "[--dataset NAME=FILE]... SCENARIO\n";
    return 2;
  }
  std::cout << session.simulate(read(argv[i])) << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const kvsim::Error& error) {
    std::cerr << kvsim::error_kind_name(error.kind()) << ": " << error.what() << '\n';
    return 1;
  }
}
