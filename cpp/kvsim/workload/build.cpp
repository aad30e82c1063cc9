#include "kvsim/workload/build.hpp"

#include <algorithm>
#include <string>
#include <variant>

#include "kvsim/core/distributions.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/core/philox.hpp"
#include "kvsim/workload/source.hpp"

namespace kvsim {

namespace {

const Dataset& find_dataset(const Datasets& datasets, const std::string& name) {
  const auto found = datasets.find(name);
  if (found != datasets.end() && found->second != nullptr) return *found->second;
  std::vector<std::string> names;
  std::string all;
  for (const auto& entry : datasets) {
    names.push_back(entry.first);
    all += (all.empty() ? "" : ", ") + quoted(entry.first);
  }
  bad_field("workload.lengths.name", quoted(name),
            (all.empty() ? "a dataset that is handed over with the call" : all) +
                nearest_text(name, names));
}

// Columns of a dataset belong together; hosts build them, so this is cheap and not exhaustive: the
// rows that are used are checked as they are read.
void check_columns(const Dataset& d, const std::string& name) {
  const std::size_t rows = d.prompt_tokens.size();
  const auto check = [&](std::size_t size, std::size_t wanted, const char* column) {
    if (size == wanted) return;
    bad_field("workload.lengths.name",
              "dataset " + quoted(name) + " with " + std::to_string(size) + " entries in " + column,
              std::to_string(wanted) + " for its " + std::to_string(rows) + " rows");
  };
  if (rows == 0) {
    bad_field("workload.lengths.name", "dataset " + quoted(name) + " without rows", "rows");
  }
  check(d.output_tokens.size(), rows, "output_tokens");
  if (!d.arrival_ns.empty()) check(d.arrival_ns.size(), rows, "arrival_ns");
  if (!d.priority.empty()) check(d.priority.size(), rows, "priority");
  if (!d.stop_after.empty()) check(d.stop_after.size(), rows, "stop_after");
  if (!d.hash_offset.empty()) {
    check(d.hash_offset.size(), rows + 1, "hash_offset");
    check(d.hash_ids.size(), static_cast<std::size_t>(d.hash_offset.back()), "hash_ids");
  }
  if (!d.token_offset.empty()) {
    check(d.token_offset.size(), rows + 1, "token_offset");
    check(d.token_ids.size(), static_cast<std::size_t>(d.token_offset.back()), "token_ids");
  }
}

void add_trace_prefixes(const WorkloadSource& source, std::int64_t block_size, bool need_keys,
                        RequestTable& table) {
  const bool has_tokens = !source.dataset->token_offset.empty();
  const bool has_hashes = !source.dataset->hash_offset.empty();
  if (!has_tokens && !has_hashes) {
    bad_field("workload.prefixes", "\"trace\"",
              "another kind: dataset " + quoted(source.dataset_name) +
                  " has neither hash_ids nor token ids");
  }
  if (!need_keys) return;
  if (has_tokens) {
    add_token_keys(source, block_size, table);
  } else {
    add_hash_keys(source, block_size, table);
  }
}

}  // namespace

WorkloadSource::WorkloadSource(const Workload& w, const Datasets& datasets, std::uint64_t seed_,
                               Control control_)
    : workload(w), seed(seed_), control(control_) {
  w.validate("workload");
  if (const auto* lengths = std::get_if<DatasetLengths>(&w.lengths)) {
    dataset_name = lengths->name;
    dataset = &find_dataset(datasets, dataset_name);
    check_columns(*dataset, dataset_name);
    requests = w.num_requests.value_or(dataset->rows());
    if (lengths->order == DatasetOrder::resample) {
      const Stream stream(seed, Purpose::dataset_order);
      drawn_rows.resize(static_cast<std::size_t>(requests));
      for (std::size_t r = 0; r < drawn_rows.size(); ++r) {
        control.poll(r);
        drawn_rows[r] = static_cast<std::uint32_t>(
            uniform_below(stream, r, 0, static_cast<std::uint64_t>(dataset->rows())));
      }
    }
  } else {
    requests = w.num_requests.value_or(0);  // validate() has refused null
  }
  if (const auto* sessions = std::get_if<Sessions>(&w.prefixes)) turns = sessions->turns;
}

std::string WorkloadSource::row_text(std::size_t row) const {
  return "dataset " + quoted(dataset_name) + ", row " + std::to_string(row + 1);
}

RequestTable build_requests(const Workload& workload, const Datasets& datasets,
                            std::int64_t block_size, std::uint64_t seed, bool need_keys,
                            Control control) {
  const WorkloadSource source(workload, datasets, seed, control);
  RequestTable table;
  fill_lengths(source, table);
  fill_priorities(source, table);
  fill_stops(source, table);
  fill_arrivals(source, table);
  check_total_lengths(table);
  control.poll();
  if (const auto* groups = std::get_if<PrefixGroups>(&workload.prefixes)) {
    add_group_prefixes(*groups, source, block_size, need_keys, table);
  } else if (const auto* sessions = std::get_if<Sessions>(&workload.prefixes)) {
    link_sessions(*sessions, source, block_size, need_keys, table);
  } else if (std::holds_alternative<TracePrefixes>(workload.prefixes)) {
    add_trace_prefixes(source, block_size, need_keys, table);
  }
  return table;
}

}  // namespace kvsim
