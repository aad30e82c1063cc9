// kvsim_tests [--list] [--shard I/N] [FILTER...]: runs the tests whose name contains one of the
// filters, or every N-th of them, from the I-th on.

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "check.hpp"

namespace kvsim_test {
namespace {

int failures_in_test = 0;

bool selected(const std::string& name, const std::vector<std::string>& filters) {
  return filters.empty() ||
         std::any_of(filters.begin(), filters.end(), [&](const std::string& filter) {
           return name.find(filter) != std::string::npos;
         });
}

bool passes(const Case& test) {
  failures_in_test = 0;
  try {
    test.run();
  } catch (const Abandon&) {
    // REQUIRE has reported already.
  } catch (const std::exception& e) {
    report_failure(test.name.c_str(), 0, std::string("an exception left the test: ") + e.what());
  } catch (...) {
    report_failure(test.name.c_str(), 0, "something that is no std::exception left the test");
  }
  return failures_in_test == 0;
}

}  // namespace

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

void report_failure(const char* file, int line, const std::string& what) {
  ++failures_in_test;
  std::printf("%s:%d: %s\n", file, line, what.c_str());
}

}  // namespace kvsim_test

int main(int argc, char** argv) {
  using kvsim_test::Case;
  bool list = false;
  unsigned shard = 1;
  unsigned shards = 1;
  std::vector<std::string> filters;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--list") == 0) {
      list = true;
    } else if (std::strcmp(argv[i], "--shard") == 0) {
      if (i + 1 == argc || std::sscanf(argv[++i], "%u/%u", &shard, &shards) != 2 || shard < 1 ||
          shard > shards) {
        std::printf("--shard takes I/N, I from 1 to N\n");
        return 2;
      }
    } else {
      filters.emplace_back(argv[i]);
    }
  }
  // The order of registration follows the link; by name it is the same everywhere.
  std::vector<Case> tests = kvsim_test::cases();
  std::sort(tests.begin(), tests.end(),
            [](const Case& a, const Case& b) { return a.name < b.name; });
  int passed = 0;
  int failed = 0;
  unsigned turn = 0;
  for (const Case& test : tests) {
    if (!kvsim_test::selected(test.name, filters) || turn++ % shards != shard - 1) continue;
    if (list) {
      std::printf("%s\n", test.name.c_str());
    } else if (kvsim_test::passes(test)) {
      ++passed;
    } else {
      ++failed;
      std::printf("FAILED %s\n", test.name.c_str());
    }
    std::fflush(stdout);
  }
  if (list) return 0;
  std::printf("C++ tests: %d passed, %d failed\n", passed, failed);
  if (turn == 0) {
    std::printf("no test has a name that contains a given filter\n");
    return 2;
  }
  return failed == 0 ? 0 : 1;
}
