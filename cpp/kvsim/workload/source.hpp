// What the parts of build_requests share: which dataset, which row each request takes, and the
// counters of its random draws.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kvsim/core/control.hpp"
#include "kvsim/scenario/workload_types.hpp"
#include "kvsim/workload/request_table.hpp"

namespace kvsim {

struct WorkloadSource {
  const Workload& workload;
  std::uint64_t seed;
  std::int64_t requests = 0;
  std::int64_t turns = 0;            // of a session; 0: no sessions
  const Dataset* dataset = nullptr;  // null unless the lengths are of kind dataset
  std::string dataset_name;
  std::vector<std::uint32_t> drawn_rows;  // order resample

  Control control;

  WorkloadSource(const Workload& workload, const Datasets& datasets, std::uint64_t seed,
                 Control control);

  [[nodiscard]] std::size_t row_of(std::int64_t r) const {
    if (!drawn_rows.empty()) return drawn_rows[static_cast<std::size_t>(r)];
    const std::int64_t rows = dataset->rows();
    return static_cast<std::size_t>(r < rows ? r : r % rows);
  }
  // "dataset "NAME", row 17" (rows count from 1, as lines of a file do).
  [[nodiscard]] std::string row_text(std::size_t row) const;

  // Arrivals that are known from the start: requests, or sessions.
  [[nodiscard]] std::int64_t starts() const {
    return turns == 0 ? requests : (requests + turns - 1) / turns;
  }

  // Calls f(r, entity, draw) for every request, with its counter: (r, 0), or (session, turn).
  template <class F>
  void for_each_request(F&& f) const {
    if (turns == 0) {
      for (std::int64_t r = 0; r < requests; ++r) {
        control.poll(static_cast<std::size_t>(r));
        f(r, static_cast<std::uint64_t>(r), 0U);
      }
      return;
    }
    std::uint64_t session = 0;
    for (std::int64_t r = 0; r < requests; ++session) {
      control.poll(session);
      for (std::uint64_t turn = 0; turn < static_cast<std::uint64_t>(turns) && r < requests;
           ++turn) {
        f(r++, session, turn);
      }
    }
  }
};

// Longest prompt plus output: positions are 32-bit.
inline constexpr std::int64_t longest_request_tokens = 0x7FFFFFFF;

// arrivals.cpp
void fill_arrivals(const WorkloadSource& source, RequestTable& table);

// lengths.cpp. The column `from` of the dataset in the order of the requests' rows, into `to`.
void take_rows(const WorkloadSource& source, const std::vector<std::int32_t>& from,
               std::vector<std::int32_t>& to);
void fill_lengths(const WorkloadSource& source, RequestTable& table);
void check_total_lengths(const RequestTable& table);
void fill_priorities(const WorkloadSource& source, RequestTable& table);
void fill_stops(const WorkloadSource& source,
                RequestTable& table);  // hidden stop tokens of a dataset

// prefixes.cpp. Lengthen the prompts by what the requests share, and link the turns of sessions.
void add_group_prefixes(const PrefixGroups& groups, const WorkloadSource& source,
                        std::int64_t block_size, bool need_keys, RequestTable& table);
void link_sessions(const Sessions& sessions, const WorkloadSource& source, std::int64_t block_size,
                   bool need_keys, RequestTable& table);

// hash_chains.cpp, token_chains.cpp. Keys from the dataset's hash_ids or token ids.
void add_hash_keys(const WorkloadSource& source, std::int64_t block_size, RequestTable& table);
void add_token_keys(const WorkloadSource& source, std::int64_t block_size, RequestTable& table);

}  // namespace kvsim
