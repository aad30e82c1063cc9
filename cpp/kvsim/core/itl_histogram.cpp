#include "kvsim/core/itl_histogram.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "kvsim/core/error.hpp"
#include "kvsim/core/quantile.hpp"
#include "kvsim/core/radix_select.hpp"
#include "kvsim/core/sort.hpp"

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

// By the bits from `from` on; least significant digits first, as many as the words differ in.
void radix_sort(std::span<std::uint64_t> words, int from) {
  constexpr int digit_bits = 11;
  constexpr std::size_t few = 2048;
  if (words.size() <= few) {
    std::sort(words.begin(), words.end());
    return;
  }
  const auto [least, most] = std::minmax_element(words.begin(), words.end());
  const std::uint64_t low = *least >> from;
  const int bits = static_cast<int>(std::bit_width((*most >> from) - low));
  std::vector<std::uint64_t> other(words.size());
  std::span<std::uint64_t> now = words;
  std::span<std::uint64_t> then = other;
  std::vector<std::size_t> starts(std::size_t{1} << digit_bits);
  for (int shift = 0; shift < bits; shift += digit_bits) {
    const auto digit = [&](std::uint64_t word) {
      return static_cast<std::size_t>(((word >> from) - low) >> shift) & (starts.size() - 1);
    };
    std::fill(starts.begin(), starts.end(), 0);
    for (const std::uint64_t word : now) ++starts[digit(word)];
    std::exclusive_scan(starts.begin(), starts.end(), starts.begin(), std::size_t{0});
    for (const std::uint64_t word : now) then[starts[digit(word)]++] = word;
    std::swap(now, then);
  }
  if (now.data() != words.data()) std::copy(now.begin(), now.end(), words.begin());
}

bool by_value(const Entry& a, const Entry& b) { return a.value_ns < b.value_ns; }

// Appends to a list in ascending order; equal values become one entry.
void append(std::vector<Entry>& list, const Entry& entry) {
  if (!list.empty() && list.back().value_ns == entry.value_ns) {
    list.back().count += entry.count;
  } else {
    list.push_back(entry);
  }
}

// Both in ascending order.
std::vector<Entry> merge(const std::vector<Entry>& a, const std::vector<Entry>& b) {
  std::vector<Entry> merged;
  merged.reserve(a.size() + b.size());
  auto next = a.begin();
  for (const Entry& entry : b) {
    while (next != a.end() && next->value_ns < entry.value_ns) append(merged, *next++);
    append(merged, entry);
  }
  while (next != a.end()) append(merged, *next++);
  return merged;
}

}  // namespace

void ItlHistogram::make_room() {
  constexpr std::size_t first = 4096;
  if (buffer_.capacity() < first) {
    buffer_.reserve(first);
  } else if (buffer_.capacity() < exact_limit) {
    // In one go, so that nothing is copied twice; memory that is not touched costs nothing.
    buffer_.reserve(exact_limit);
  } else if (!thin_out()) {
    compact();
  }
}

// Merges equal values in the last quarter of the buffer; false if that frees less than half of it.
// Where values repeat much, that is cheaper than to sort all of them into a list.
bool ItlHistogram::thin_out() {
  if (!bins_.empty()) return false;
  const std::span<std::uint64_t> words =
      std::span(buffer_.data(), buffer_.size()).last(buffer_.size() / 4);
  radix_sort(words, count_bits);
  std::size_t kept = 0;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const Word word{words[i]};
    const Word before{words[kept]};
    if (word.key() == before.key() && word.weight() + before.weight() <= count_mask + 1) {
      words[kept] += word.weight();
    } else {
      words[++kept] = word.bits;
    }
  }
  const std::size_t freed = words.size() - (kept + 1);
  buffer_.resize(buffer_.size() - freed);
  return 2 * freed >= words.size();
}

void ItlHistogram::append_packed(std::span<const std::uint64_t> words) {
  while (buffer_.capacity() - buffer_.size() < words.size()) {
    make_room();
  }
  buffer_.insert(buffer_.end(), words.begin(), words.end());
}

void ItlHistogram::Gaps::open() {
  constexpr std::size_t room = 256;
  auto& words = all_.buffer_;
  if (words.capacity() - words.size() < room) all_.make_room();
  const std::size_t size = words.size();
  words.resize(size + room);
  at_ = words.data() + size;
  end_ = at_ + room;
}

// What does not fit into a word, or finds the room used up.
void ItlHistogram::Gaps::add_apart(Ns value_ns) {
  close();
  all_.add(value_ns, count_);
  open();
}

void ItlHistogram::add_large(Ns value_ns, std::uint64_t count) {
  if (value_ns < 0) {
    fail(ErrorKind::invariant, "a gap between tokens of " + std::to_string(value_ns) + " ns");
  }
  if (count == 0) return;
  if (large_.size() >= exact_limit) compact();
  large_.push_back({value_ns, count});
}

void ItlHistogram::compact() const {
  if (bins_.empty()) {
    radix_sort(buffer_, count_bits);
    compact_sort(large_, by_value);
    const std::vector<Entry> large = std::exchange(large_, {});
    std::vector<Entry> fresh;
    fresh.reserve(buffer_.size());
    visit_buffers([&](Ns value, std::uint64_t count) { append(fresh, {value, count}); });
    sorted_ = sorted_.empty() ? std::move(fresh) : merge(sorted_, fresh);
    if (!large.empty()) sorted_ = merge(sorted_, large);
    if (sorted_.size() > exact_limit) {
      bins_.resize(bin_count);
      for (const Entry& entry : sorted_) count_in_bin(entry);
      sorted_ = {};
    }
  } else {
    visit_buffers([&](Ns value, std::uint64_t count) { count_in_bin({value, count}); });
    large_.clear();
  }
  buffer_.clear();
}

void ItlHistogram::settle() const {
  const std::size_t buffered = buffer_.size() + large_.size();
  if (bins_.empty() ? sorted_.size() + buffered > exact_limit : buffered > 0) compact();
}

void ItlHistogram::count_in_bin(const Entry& entry) const {
  bins_[bin_of(entry.value_ns)] += entry.count;
  binned_sum_ += static_cast<Int128>(entry.value_ns) * static_cast<Int128>(entry.count);
  binned_min_ns_ = std::min(binned_min_ns_, entry.value_ns);
  binned_max_ns_ = std::max(binned_max_ns_, entry.value_ns);
}

template <class F>
void ItlHistogram::visit_words(const F& f) const {
  for (const std::uint64_t bits : buffer_) f(Word{bits});
}

template <class F>
void ItlHistogram::visit_buffers(const F& f) const {
  visit_words([&f](Word word) { f(static_cast<Ns>(word.key()), word.weight()); });
  for (const Entry& entry : large_) f(entry.value_ns, entry.count);
}

// Calls f(value, count) for what has been added and stands in no buffer of words; after settle().
template <class F>
void ItlHistogram::visit_others(const F& f) const {
  for (const Entry& entry : large_) f(entry.value_ns, entry.count);
  for (const Entry& entry : sorted_) f(entry.value_ns, entry.count);
  for (std::size_t bin = 0; bin < bins_.size(); ++bin) {
    if (bins_[bin] != 0) f(std::clamp(middle_of(bin), binned_min_ns_, binned_max_ns_), bins_[bin]);
  }
}

// The same for all that has been added.
template <class F>
void ItlHistogram::visit(const F& f) const {
  visit_words([&f](Word word) { f(static_cast<Ns>(word.key()), word.weight()); });
  visit_others(f);
}

// Of what is visited; after settle().
detail::IntegerTotals ItlHistogram::totals() const {
  detail::IntegerTotals totals;
  // Of words the least and the greatest have the least and the greatest value, too.
  std::uint64_t least = ~std::uint64_t{0}, most = 0, weights = 0;
  Int128 sum = 0;
  visit_words([&](Word word) {
    least = std::min(least, word.bits);
    most = std::max(most, word.bits);
    weights += word.bits & count_mask;
    // Below 2^64: neither factor is above the power of two that its bits allow.
    sum += static_cast<Int128>(word.key() * word.weight());
  });
  if (!buffer_.empty()) {
    totals.count = weights + buffer_.size();
    totals.sum = sum;
    totals.least = static_cast<Ns>(Word{least}.key());
    totals.most = static_cast<Ns>(Word{most}.key());
  }
  visit_others([&](Ns value, std::uint64_t count) { totals.add(value, count); });
  return totals;
}

std::uint64_t ItlHistogram::count() const {
  settle();
  return totals().count;
}

bool ItlHistogram::exact() const {
  settle();
  return bins_.empty();
}

ItlHistogram::Statistics ItlHistogram::statistics(std::span<const double> qs, int ddof) const {
  settle();
  const detail::IntegerTotals all = totals();
  Statistics found;
  found.count = all.count;
  const Int128 sum = bins_.empty() ? all.sum : binned_sum_;
  found.mean_ns = all.count == 0 ? std::numeric_limits<double>::quiet_NaN()
                                 : static_cast<double>(sum) / static_cast<double>(all.count);
  // Of the bins' middles, not of what they stand for: deviations are from what is visited.
  found.std_ns = detail::integer_standard_deviation([this](const auto& f) { visit(f); }, all, ddof);
  if (all.count > 0) found.quantiles_ns = quantiles_of(all, qs);
  return found;
}

double ItlHistogram::mean_ns() const { return statistics({}).mean_ns; }

double ItlHistogram::std_ns(int ddof) const { return statistics({}, ddof).std_ns; }

std::vector<Ns> ItlHistogram::quantiles_ns(std::span<const double> qs) const {
  settle();
  return quantiles_of(totals(), qs);
}

std::vector<Ns> ItlHistogram::quantiles_of(const detail::IntegerTotals& all,
                                           std::span<const double> qs) const {
  const auto value_of = [](std::uint64_t key) { return static_cast<Ns>(key); };
  const detail::KeyRange range{static_cast<std::uint64_t>(all.least),
                               static_cast<std::uint64_t>(all.most)};
  if (large_.empty() && sorted_.empty() && bins_.empty()) {
    const auto visit_all = [this](const auto& f) { visit_words(f); };
    return detail::quantiles_by_key<Ns, Word>(visit_all, range, all.count, qs, value_of);
  }
  const auto visit_all = [this](const auto& f) {
    visit([&f](Ns value, std::uint64_t count) {
      f(detail::WeightedKey{static_cast<std::uint64_t>(value), count});
    });
  };
  return detail::quantiles_by_key<Ns, detail::WeightedKey>(visit_all, range, all.count, qs,
                                                           value_of);
}

Ns ItlHistogram::min_ns() const {
  if (count() == 0) fail(ErrorKind::invariant, "the minimum of no values is undefined");
  Ns least = bins_.empty() ? kNever : binned_min_ns_;
  visit([&](Ns value, std::uint64_t) { least = std::min(least, value); });
  return least;
}

Ns ItlHistogram::max_ns() const {
  if (count() == 0) fail(ErrorKind::invariant, "the maximum of no values is undefined");
  Ns most = bins_.empty() ? std::numeric_limits<Ns>::min() : binned_max_ns_;
  visit([&](Ns value, std::uint64_t) { most = std::max(most, value); });
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
