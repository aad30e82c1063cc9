// A quantile of all values so far, in constant time a value: a histogram of 64 bins an octave (so
// within 1.6 %), and a place in it that moves as values come. Integers only, so the same
// everywhere.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace kvsim {

class RunningQuantile {
 public:
  explicit RunningQuantile(double q) : q_(q) {}

  void add(std::int64_t value) {
    const std::size_t bin = bin_of(value < 0 ? 0 : static_cast<std::uint64_t>(value));
    ++counts_[bin];
    ++count_;
    if (bin < at_) ++below_;
    // Nearest rank, from 0: ceil(q n) - 1.
    const double share = q_ * static_cast<double>(count_);
    auto rank = static_cast<std::uint64_t>(share);
    if (rank > 0 && static_cast<double>(rank) == share) --rank;
    while (below_ + counts_[at_] <= rank && at_ + 1 < bins) below_ += counts_[at_++];
    while (below_ > rank) below_ -= counts_[--at_];
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  // The upper edge of the quantile's bin; 0 without values.
  [[nodiscard]] std::int64_t value() const {
    return count_ == 0 ? 0 : static_cast<std::int64_t>(upper_edge(at_));
  }

 private:
  static constexpr std::size_t bins = 64 * 59;
  static std::size_t bin_of(std::uint64_t v) {
    if (v < 64) return static_cast<std::size_t>(v);
    const int shift = static_cast<int>(std::bit_width(v)) - 7;  // leaves 64 .. 127
    return static_cast<std::size_t>(shift) * 64 + static_cast<std::size_t>(v >> shift);
  }
  static std::uint64_t upper_edge(std::size_t bin) {
    if (bin < 128) return bin;
    const std::size_t shift = bin / 64 - 1;
    return ((std::uint64_t{bin % 64} + 65) << shift) - 1;
  }

  double q_;
  std::array<std::uint64_t, bins> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t below_ = 0;  // values in bins below at_
  std::size_t at_ = 0;
};

}  // namespace kvsim
