#include "session.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "kvsim/core/error.hpp"
#include "kvsim/scenario/json.hpp"
#include "kvsim/scenario/scenario_json.hpp"
#include "result_json.hpp"

namespace kvsim {
namespace {

// Reads a dataset's bytes from front to back.
class ColumnReader {
 public:
  ColumnReader(const std::string& dataset, std::string_view bytes)
      : path_("datasets." + dataset), bytes_(bytes) {}

  [[nodiscard]] bool done() const { return bytes_.empty(); }

  // Reads a line "NAME ROWS\n", returns NAME.
  std::string_view begin_column() {
    const std::size_t end = bytes_.find('\n');
    const std::string_view line = bytes_.substr(0, end);
    const std::size_t space = line.find(' ');
    if (end == std::string_view::npos || space == std::string_view::npos) {
      bad_field(path_, quoted(line), "a line of a column's name and its rows");
    }
    const std::string_view rows = line.substr(space + 1);
    const auto [stop, error] = std::from_chars(rows.data(), rows.data() + rows.size(), rows_, 10);
    bytes_.remove_prefix(end + 1);
    if (error != std::errc() || stop != rows.data() + rows.size() || rows_ > bytes_.size() / 8) {
      bad_field(path_, quoted(line), "as many rows as 8-byte integers follow");
    }
    return line.substr(0, space);
  }

  template <class T>
  void read(std::vector<T>& column) {
    column.resize(rows_);
    for (T& value : column)
      value = static_cast<T>(next(std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  }

  std::int64_t read_one() {
    if (rows_ != 1) bad_field(path_, std::to_string(rows_) + " rows", "one row");
    return next(0, std::numeric_limits<std::int64_t>::max());
  }

  [[noreturn]] void unknown(std::string_view name) const {
    bad_field(path_, "column " + quoted(name),
              "arrival_ns, prompt_tokens, output_tokens, priority, stop_after, hash_offset, "
              "hash_ids, hash_block_tokens, token_offset, token_ids");
  }

 private:
  std::int64_t next(std::int64_t lowest, std::int64_t highest) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      word |= std::uint64_t{static_cast<unsigned char>(bytes_[i])} << (8 * i);
    }
    bytes_.remove_prefix(8);
    const auto value = static_cast<std::int64_t>(word);
    if (value < lowest || value > highest) {
      bad_field(path_, std::to_string(value),
                std::to_string(lowest) + " to " + std::to_string(highest));
    }
    return value;
  }

  std::string path_;
  std::string_view bytes_;
  std::size_t rows_ = 0;
};

}  // namespace

void Session::add_dataset(const std::string& name, std::string_view bytes) {
  auto dataset = std::make_shared<Dataset>();
  ColumnReader reader(name, bytes);
  while (!reader.done()) {
    const std::string_view column = reader.begin_column();
    if (column == "arrival_ns") {
      reader.read(dataset->arrival_ns);
    } else if (column == "prompt_tokens") {
      reader.read(dataset->prompt_tokens);
    } else if (column == "output_tokens") {
      reader.read(dataset->output_tokens);
    } else if (column == "priority") {
      reader.read(dataset->priority);
    } else if (column == "stop_after") {
      reader.read(dataset->stop_after);
    } else if (column == "hash_offset") {
      reader.read(dataset->hash_offset);
    } else if (column == "hash_ids") {
      reader.read(dataset->hash_ids);
    } else if (column == "hash_block_tokens") {
      dataset->hash_block_tokens = reader.read_one();
    } else if (column == "token_offset") {
      reader.read(dataset->token_offset);
    } else if (column == "token_ids") {
      reader.read(dataset->token_ids);
    } else {
      reader.unknown(column);
    }
  }
  datasets_[name] = std::move(dataset);
}

Result Session::result_of(std::string_view scenario_json) const {
  const auto scenario = from_json<Scenario>(json::parse(scenario_json, "scenario"));
  Inputs inputs;
  inputs.catalog = &catalog_;
  inputs.datasets = &datasets_;
  return kvsim::simulate(scenario, inputs);
}

std::string Session::simulate(std::string_view scenario_json) const {
  return json::write(result_json(result_of(scenario_json)));
}

std::string Session::run(std::string_view scenario_json) {
  last_ = result_of(scenario_json);
  return json::write(view_json(last_));
}

std::string Session::canonical(std::string_view scenario_json) {
  return json::write(to_json(from_json<Scenario>(json::parse(scenario_json, "scenario"))));
}

}  // namespace kvsim
