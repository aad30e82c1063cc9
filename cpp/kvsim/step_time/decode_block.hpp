// Durations of consecutive steps of the same decodes, several at a time: no step waits for another,
// so a compiler makes vector instructions of it where it has them. The same bits as one by one.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "kvsim/core/time.hpp"
#include "kvsim/step_time/terms.hpp"

namespace kvsim {

// Decode is what a step-time model's decode(seqs) returns.
template <class Decode>
class DecodeBlock {
 public:
  static constexpr std::size_t size = 4;

  DecodeBlock(const Decode& decode, std::int64_t seqs)
      : decode_(decode), growth_(static_cast<double>(seqs)) {}

  // Steps from the one with this context on, each `seqs` longer than the one before; returns how
  // many it knows, at least one. Contexts are below 2^53, so they are exact as doubles.
  std::size_t fill(std::int64_t context) {
    constexpr double magic = 0x1.8p52;  // see round_half_even
    constexpr auto bits = std::bit_cast<std::int64_t>(magic);
    const Ns fixed = decode_.fixed().total();
    const auto first = static_cast<double>(context);
    std::int64_t wide = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const DecodeParts parts = decode_.parts(first + static_cast<double>(i) * growth_);
      const auto compute = std::bit_cast<std::int64_t>(parts.compute_ns + magic);
      const auto hbm = std::bit_cast<std::int64_t>(parts.hbm_ns + magic);
      wide |= (compute ^ bits) | (hbm ^ bits);
      hbm_ns_[i] = hbm - bits;
      total_ns_[i] = fixed + (compute - bits) + (hbm - bits);
    }
    // The sum of a term and the magic number has another exponent: it may be too long, or NaN.
    if ((wide >> 52) != 0) [[unlikely]] {
      const Terms terms = decode_(context);
      hbm_ns_[0] = terms.hbm_ns - decode_.fixed().hbm_ns;
      total_ns_[0] = terms.total();
      return 1;
    }
    return size;
  }

  // Of the steps that fill() found.
  [[nodiscard]] const Ns* durations() const { return total_ns_.data(); }
  [[nodiscard]] const Ns* hbm() const { return hbm_ns_.data(); }  // but for what is fixed
  // Of so many steps, with the sums of what these two told.
  [[nodiscard]] Terms sum(std::int64_t steps, Ns durations_ns, Ns hbm_ns) const {
    const Terms fixed = decode_.fixed();
    Terms out{fixed.host_ns * steps, 0, hbm_ns + fixed.hbm_ns * steps, fixed.comm_ns * steps};
    out.compute_ns = durations_ns - out.total();
    return out;
  }

 private:
  Decode decode_;
  double growth_;
  std::array<Ns, size> hbm_ns_;
  std::array<Ns, size> total_ns_;
};

}  // namespace kvsim
