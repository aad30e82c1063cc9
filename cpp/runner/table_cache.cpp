#include "runner/table_cache.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace kvsim::runner {

std::size_t table_bytes(const RequestTable& t) {
  const auto bytes = [](const auto& column) { return column.capacity() * sizeof(column[0]); };
  return bytes(t.arrival_ns) + bytes(t.prompt_tokens) + bytes(t.output_tokens) + bytes(t.priority) +
         bytes(t.successor) + bytes(t.delay_ns) + bytes(t.keys.offset) + bytes(t.keys.shared);
}

std::shared_ptr<const RequestTable> TableCache::get(const std::string& key,
                                                    const std::function<RequestTable()>& build) {
  std::promise<Table> promise;
  std::shared_future<Table> found;
  {
    const std::lock_guard lock(mutex_);
    const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& e) { return e.key == key; });
    if (entry != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, entry);
      found = entry->table;
    } else {
      entries_.push_front({key, promise.get_future().share(), 0});
      ++builds_;
    }
  }
  if (found.valid()) return found.get();
  try {
    auto table = std::make_shared<const RequestTable>(build());
    promise.set_value(table);
    const std::lock_guard lock(mutex_);
    const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& e) { return e.key == key; });
    if (entry != entries_.end()) {
      entry->bytes = table_bytes(*table);
      bytes_ += entry->bytes;
    }
    shrink();
    return table;
  } catch (...) {
    promise.set_exception(std::current_exception());
    // Who asks next builds it anew: this builder may only have been stopped.
    const std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const Entry& e) { return e.key == key; });
    throw;
  }
}

void TableCache::shrink() {
  while (bytes_ > max_bytes_ && entries_.size() > 1) {
    // One that is still being built has no bytes yet and is left to its builder.
    const auto last = std::find_if(entries_.rbegin(), std::prev(entries_.rend()),
                                   [](const Entry& e) { return e.bytes > 0; });
    if (last == std::prev(entries_.rend())) return;
    bytes_ -= last->bytes;
    entries_.erase(std::next(last).base());
  }
}

}  // namespace kvsim::runner
