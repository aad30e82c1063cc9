// Slots that lazily decoded requests will hold and never fill, by the decode step that takes the
// block which they are in: the last of a request.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kvsim {

class WasteRing {
 public:
  // `slots` more, or fewer if negative, from step `at` on, which is not before `now`.
  void add(std::int64_t now, std::int64_t at, std::int64_t slots) {
    if (at - now >= static_cast<std::int64_t>(due_.size())) grow(now, at);
    due_[index(at)] += slots;
  }
  // Those of this step.
  std::int64_t take(std::int64_t at) { return std::exchange(due_[index(at)], 0); }

 private:
  [[nodiscard]] std::size_t index(std::int64_t at) const {
    return static_cast<std::size_t>(at) & (due_.size() - 1);
  }
  void grow(std::int64_t now, std::int64_t at) {
    std::vector<std::int64_t> more(std::bit_ceil(static_cast<std::size_t>(at - now) + 1));
    for (std::size_t i = 0; i < due_.size(); ++i) {
      const std::size_t step = static_cast<std::size_t>(now) + i;
      more[step & (more.size() - 1)] = due_[step & (due_.size() - 1)];
    }
    due_ = std::move(more);
  }

  std::vector<std::int64_t> due_ = std::vector<std::int64_t>(64);
};

}  // namespace kvsim
