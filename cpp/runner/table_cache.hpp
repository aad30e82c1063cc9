// Request tables that several points of a sweep have in common, built once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "kvsim/workload/request_table.hpp"

namespace kvsim::runner {

class TableCache {
 public:
  // Keeps the tables used last, up to about so many bytes (and at least one).
  explicit TableCache(std::size_t max_bytes = std::size_t{256} << 20) : max_bytes_(max_bytes) {}

  // The table of a key; whoever asks first builds it, others wait. What build throws, all get.
  std::shared_ptr<const RequestTable> get(const std::string& key,
                                          const std::function<RequestTable()>& build);

  [[nodiscard]] std::size_t builds() const { return builds_; }

 private:
  using Table = std::shared_ptr<const RequestTable>;
  struct Entry {
    std::string key;
    std::shared_future<Table> table;
    std::size_t bytes = 0;
  };
  void shrink();  // holding mutex_

  std::size_t max_bytes_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // used last first
  std::size_t bytes_ = 0;
  std::size_t builds_ = 0;
};

// Memory of a table's columns.
[[nodiscard]] std::size_t table_bytes(const RequestTable& table);

}  // namespace kvsim::runner
