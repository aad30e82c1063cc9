#include "kvsim/core/itl_histogram.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <utility>

#include "kvsim/core/error.hpp"
#include "kvsim/core/quantile.hpp"
#include "kvsim/core/radix_select.hpp"

namespace kvsim {

namespace {

using Entry = ItlHistogram::Entry;

constexpr int bin_bits = 10;  // 1024 bins an octave
constexpr std::size_t bin_count = std::size_t{65 - bin_bits} << bin_bits;

// Values below 2^11 have a bin each; above, a bin holds the values that agree in their top 11 bits.
std::size_t bin_of(Ns value_ns) {
  const auto value = static_cast<std::uint64_t>(value_ns);
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - bin_bits - 1);
  return (static_cast<std::size_t>(shift) << bin_bits) + static_cast<std::size_t>(value >> shift);
}

Ns middle_of(std::size_t bin) {
  const std::size_t octave = bin >> bin_bits;
  const std::size_t shift = octave == 0 ? 0 : octave - 1;
  const std::uint64_t low = static_cast<std::uint64_t>(bin - (shift << bin_bits)) << shift;
  return static_cast<Ns>(low + ((std::uint64_t{1} << shift) >> 1));
}

// Least significant digits first, as many 11-bit digits as the spread of values has.
void radix_sort(std::vector<Entry>& entries) {
  constexpr int digit_bits = 11;
  constexpr std::size_t few = 2048;
  if (entries.size() <= few) {
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.value_ns < b.value_ns; });
    return;
  }
  const auto [least, most] =
      std::minmax_element(entries.begin(), entries.end(),
                          [](const Entry& a, const Entry& b) { return a.value_ns < b.value_ns; });
  const auto low = static_cast<std::uint64_t>(least->value_ns);
  const int bits =
      static_cast<int>(std::bit_width(static_cast<std::uint64_t>(most->value_ns) - low));
  std::vector<Entry> sorted(entries.size());
  std::vector<std::size_t> starts(std::size_t{1} << digit_bits);
  for (int shift = 0; shift < bits; shift += digit_bits) {
    const auto digit = [&](const Entry& entry) {
      return ((static_cast<std::uint64_t>(entry.value_ns) - low) >> shift) & (starts.size() - 1);
    };
    std::fill(starts.begin(), starts.end(), 0);
    for (const Entry& entry : entries) ++starts[digit(entry)];
    std::exclusive_scan(starts.begin(), starts.end(), starts.begin(), std::size_t{0});
    for (const Entry& entry : entries) sorted[starts[digit(entry)]++] = entry;
    entries.swap(sorted);
  }
}

// Neighbours of one value become one; counts of 0 vanish.
void unite_equal(std::vector<Entry>& sorted) {
  std::size_t kept = 0;
  for (const Entry& entry : sorted) {
    if (entry.count == 0) continue;
    if (kept > 0 && sorted[kept - 1].value_ns == entry.value_ns) {
      sorted[kept - 1].count += entry.count;
    } else {
      sorted[kept++] = entry;
    }
  }
  sorted.resize(kept);
}

}  // namespace

void ItlHistogram::make_room() {
  constexpr std::size_t first = 1024;
  if (buffer_.capacity() < exact_limit) {
    buffer_.reserve(std::clamp(2 * buffer_.capacity(), first, exact_limit));
  } else {
    compact();
  }
}

void ItlHistogram::compact() const {
  if (bins_.empty()) {
    radix_sort(buffer_);
    unite_equal(buffer_);
    std::vector<Entry> merged(sorted_.size() + buffer_.size());
    std::merge(sorted_.begin(), sorted_.end(), buffer_.begin(), buffer_.end(), merged.begin(),
               [](const Entry& a, const Entry& b) { return a.value_ns < b.value_ns; });
    unite_equal(merged);
    sorted_ = std::move(merged);
    if (sorted_.size() > exact_limit) use_bins();
  } else {
    for (const Entry& entry : buffer_) count_in_bin(entry);
  }
  buffer_.clear();
}

void ItlHistogram::settle() const {
  const bool may_change =
      bins_.empty() ? sorted_.size() + buffer_.size() > exact_limit : !buffer_.empty();
  if (may_change) compact();
}

void ItlHistogram::use_bins() const {
  bins_.resize(bin_count);
  for (const Entry& entry : sorted_) count_in_bin(entry);
  sorted_ = {};
}

void ItlHistogram::count_in_bin(const Entry& entry) const {
  if (entry.count == 0) return;
  bins_[bin_of(entry.value_ns)] += entry.count;
  binned_sum_ += static_cast<Int128>(entry.value_ns) * static_cast<Int128>(entry.count);
  binned_min_ns_ = std::min(binned_min_ns_, entry.value_ns);
  binned_max_ns_ = std::max(binned_max_ns_, entry.value_ns);
}

// Calls f(value, count) for what has been added; after settle().
template <class F>
void ItlHistogram::visit(const F& f) const {
  for (const Entry& entry : sorted_) f(entry.value_ns, entry.count);
  for (const Entry& entry : buffer_) f(entry.value_ns, entry.count);
  for (std::size_t bin = 0; bin < bins_.size(); ++bin) {
    if (bins_[bin] != 0) f(std::clamp(middle_of(bin), binned_min_ns_, binned_max_ns_), bins_[bin]);
  }
}

std::uint64_t ItlHistogram::count() const {
  std::uint64_t total = 0;
  settle();
  visit([&](Ns, std::uint64_t count) { total += count; });
  return total;
}

bool ItlHistogram::exact() const {
  settle();
  return bins_.empty();
}

Int128 ItlHistogram::sum() const {
  settle();
  if (!bins_.empty()) return binned_sum_;
  Int128 total = 0;
  visit([&](Ns value, std::uint64_t count) {
    total += static_cast<Int128>(value) * static_cast<Int128>(count);
  });
  return total;
}

double ItlHistogram::mean_ns() const {
  const std::uint64_t n = count();
  if (n == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(sum()) / static_cast<double>(n);
}

double ItlHistogram::std_ns(int ddof) const {
  settle();
  Int128 total = 0;
  // Of the bins' middles, not of what they stand for: deviations are from what is visited.
  visit([&](Ns value, std::uint64_t count) {
    total += static_cast<Int128>(value) * static_cast<Int128>(count);
  });
  return detail::integer_standard_deviation([this](const auto& f) { visit(f); }, total, count(),
                                            ddof);
}

std::vector<Ns> ItlHistogram::quantiles_ns(std::span<const double> qs) const {
  const std::uint64_t n = count();
  const auto visit_keys = [this](const auto& f) {
    visit([&](Ns value, std::uint64_t count) { f(detail::ordered_key(value), count); });
  };
  return detail::quantiles_by_key<Ns>(visit_keys, n, qs, detail::int_from_key);
}

Ns ItlHistogram::min_ns() const {
  if (count() == 0) fail(ErrorKind::invariant, "the minimum of no values is undefined");
  Ns least = bins_.empty() ? kNever : binned_min_ns_;
  visit([&](Ns value, std::uint64_t count) {
    if (count != 0) least = std::min(least, value);
  });
  return least;
}

Ns ItlHistogram::max_ns() const {
  if (count() == 0) fail(ErrorKind::invariant, "the maximum of no values is undefined");
  Ns most = bins_.empty() ? std::numeric_limits<Ns>::min() : binned_max_ns_;
  visit([&](Ns value, std::uint64_t count) {
    if (count != 0) most = std::max(most, value);
  });
  return most;
}

std::vector<ItlHistogram::Entry> ItlHistogram::distinct() const {
  compact();
  if (bins_.empty()) return sorted_;
  std::vector<Entry> entries;
  visit([&](Ns value, std::uint64_t count) { entries.push_back({value, count}); });
  return entries;
}

}  // namespace kvsim
