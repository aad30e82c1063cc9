#include "runner/memory.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>
#include <string_view>
#include <utility>
#include <variant>

#if defined(__unix__)
#include <sys/resource.h>
#include <unistd.h>
#endif

#include "kvsim/core/error.hpp"
#include "kvsim/kv/count_pool.hpp"
#include "kvsim/scheduler/state.hpp"

namespace kvsim::runner {
namespace {

// Below this, a run is small beside what a Python process has anyway, and files are not read for
// it.
constexpr std::int64_t always_fits = std::int64_t{64} << 20;
std::string gb(std::int64_t bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g GB", static_cast<double>(bytes) / 1e9);
  return text.data();
}

// The number that follows `key` at the start of a line, or the file's first word if there is no
// key; none if there is no such file or number ("max").
std::optional<std::int64_t> read_number(const std::string& path, std::string_view key = {}) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.compare(0, key.size(), key) != 0) continue;
    std::istringstream rest(line.substr(key.size()));
    std::int64_t value = 0;
    if (rest >> value) return value;
    return std::nullopt;
  }
  return std::nullopt;
}

using Free = std::optional<std::int64_t>;

Free smaller(Free a, Free b) { return !a ? b : !b ? a : std::min(*a, *b); }

Free machine_free() {
  const Free kib = read_number("/proc/meminfo", "MemAvailable:");
  if (!kib) return std::nullopt;
  return (*kib + read_number("/proc/meminfo", "SwapFree:").value_or(0)) * 1024;
}

// Caches of files count as used in a control group and are given back when they are needed.
Free group_free(const std::string& folder, const char* limit, const char* used, const char* cache) {
  const Free most = read_number(folder + limit);
  const Free now = read_number(folder + used);
  if (!most || !now) return std::nullopt;
  return *most - *now + read_number(folder + "memory.stat", cache).value_or(0);
}

// The control group of the process and those above it (version 2), and the one of version 1.
Free groups_free() {
  Free least = group_free("/sys/fs/cgroup/memory/", "memory.limit_in_bytes",
                          "memory.usage_in_bytes", "total_inactive_file ");
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    if (line.compare(0, 3, "0::") != 0) continue;
    for (std::string path = line.substr(3);;) {
      const std::string folder = "/sys/fs/cgroup" + (path == "/" ? "" : path) + "/";
      least = smaller(least, group_free(folder, "memory.max", "memory.current", "inactive_file "));
      const std::size_t slash = path.rfind('/');
      if (slash == std::string::npos || path.size() <= 1) break;
      path.resize(std::max<std::size_t>(slash, 1));
    }
  }
  return least;
}

Free process_free() {
#if defined(__unix__)
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  const Free pages = read_number("/proc/self/statm");
  if (!pages) return std::nullopt;
  return static_cast<std::int64_t>(limit.rlim_cur) - *pages * sysconf(_SC_PAGESIZE);
#else
  return std::nullopt;
#endif
}

}  // namespace

std::int64_t request_bytes(const Scenario& s, std::int64_t requests) {
  const bool queued = s.engine.async_scheduling || s.pipeline_parallel_size > 1;
  // In 8-byte columns: arrival in the table; arrival, first step, first token, finish and last
  // token in the books. In 4-byte ones: prompt and output in the table; output, preemptions and
  // cached tokens in the books. What the summary sorts comes when the scheduler's state is gone.
  std::int64_t bytes = 6 * 8 + 5 * 4;
  bytes += static_cast<std::int64_t>(sizeof(Seq));
  if (queued) bytes += static_cast<std::int64_t>(sizeof(Flight));
  if (s.record_waterfall) bytes += 7 * 8 + 1;
  if (std::holds_alternative<Sessions>(s.workload.prefixes)) bytes += 12;
  return bytes * requests;
}

std::optional<std::int64_t> free_bytes() {
  return smaller(machine_free(), smaller(groups_free(), process_free()));
}

std::int64_t num_requests(const Scenario& s, const Datasets& datasets) {
  if (s.workload.num_requests) return *s.workload.num_requests;
  const auto* lengths = std::get_if<DatasetLengths>(&s.workload.lengths);
  const auto found = lengths == nullptr ? datasets.end() : datasets.find(lengths->name);
  return found == datasets.end() || found->second == nullptr ? 0 : found->second->rows();
}

void check_memory(const Scenario& s, const Datasets& datasets) {
  const std::int64_t requests = num_requests(s, datasets);
  const std::int64_t need = request_bytes(s, requests);
  if (need <= always_fits) return;
  const Free free = free_bytes();
  if (!free || need + kept_free <= *free) return;
  bad_field("workload.num_requests", std::to_string(requests),
            "what fits into memory: these need about " + gb(need) + ", and " +
                gb(std::max<std::int64_t>(*free, 0)) + " are free");
}

void watch_memory(std::int64_t kept) {
  const Free free = smaller(machine_free(), groups_free());
  if (free && *free < kept) out_of_memory();
}

void out_of_memory() {
  const Free free = free_bytes();
  throw OutOfMemory(
      "the run needs more memory than there is" +
      (free ? " (" + gb(std::max<std::int64_t>(*free, 0)) + " are free)" : std::string()) +
      "; fewer workload.num_requests, or record less (record, record_waterfall)");
}

}  // namespace kvsim::runner
