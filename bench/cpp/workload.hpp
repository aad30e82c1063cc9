// The frame of the C++ benchmarks: a program of named workloads.
//
//   work_x --list            the names
//   work_x NAME              runs NAME once (under callgrind: only its measured part is counted)
//   work_x NAME --repeat N   runs NAME N times and prints the median, in seconds
//
//   int main(int argc, char** argv) {
//     return kvsim_bench::workload_main(argc, argv, {{"decode_heavy", prepare_decode_heavy}});
//   }
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace kvsim_bench {

struct Workload {
  std::string name;
  // Reads inputs and builds what is not to be measured; what it returns is measured. The number
  // that this returns is printed, so that the work cannot be optimised away.
  std::function<std::function<double()>()> prepare;
};

// tools/bench_check.py tells callgrind to count inside this function only, by its name.
extern "C" [[gnu::noinline]] inline double kvsim_measured(const std::function<double()>* work) {
  return (*work)();
}

inline double median_seconds(const std::function<double()>& work, int repeats) {
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    kvsim_measured(&work);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

inline int workload_main(int argc, char** argv, const std::vector<Workload>& workloads) {
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    for (const Workload& workload : workloads) std::printf("%s\n", workload.name.c_str());
    return 0;
  }
  int repeats = 0;
  const bool timed =
      argc == 4 && std::strcmp(argv[2], "--repeat") == 0 &&
      std::from_chars(argv[3], argv[3] + std::strlen(argv[3]), repeats).ec == std::errc() &&
      repeats > 0;
  if (argc == 2 || timed) {
    for (const Workload& workload : workloads) {
      if (workload.name != argv[1]) continue;
      const std::function<double()> work = workload.prepare();
      std::printf("%.17g\n", timed ? median_seconds(work, repeats) : kvsim_measured(&work));
      return 0;
    }
    std::fprintf(stderr, "no workload '%s'; --list names them\n", argv[1]);
    return 2;
  }
  std::fprintf(stderr, "use: %s --list | NAME [--repeat N]\n", argv[0]);
  return 2;
}

}  // namespace kvsim_bench
