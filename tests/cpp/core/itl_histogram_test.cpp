#include "kvsim/core/itl_histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "check.hpp"
#include "kvsim/core/philox.hpp"
#include "kvsim/core/quantile.hpp"

using kvsim::ItlHistogram;
using kvsim::Ns;
using Entry = kvsim::ItlHistogram::Entry;

namespace {

const std::vector<double> qs = {0.99, 0, 0.25, 0.5, 0.9, 0.999, 1};
const kvsim::Stream stream(1, 1);

// Values with their counts written out.
std::vector<std::int64_t> flat(const std::vector<Entry>& entries) {
  std::vector<std::int64_t> values;
  for (const Entry& entry : entries) {
    for (std::uint64_t i = 0; i < entry.count; ++i) values.push_back(entry.value_ns);
  }
  return values;
}

std::vector<Entry> random_entries(std::uint64_t n, std::uint64_t distinct, std::uint64_t most) {
  std::vector<Entry> entries;
  for (std::uint64_t i = 0; i < n; ++i) {
    const auto words = stream.block(i, distinct);
    entries.push_back({5'000'000 + static_cast<Ns>(words[0] % distinct), words[1] % (most + 1)});
  }
  return entries;
}

}  // namespace

TEST(itl_histogram, empty) {
  const ItlHistogram itl;
  CHECK_EQ(itl.count(), 0);
  CHECK(itl.exact());
  CHECK(std::isnan(itl.mean_ns()));
  CHECK(std::isnan(itl.std_ns()));
  CHECK(itl.distinct().empty());
  CHECK(itl.statistics(qs).quantiles_ns.empty());
  CHECK_THROWS_KIND(itl.quantiles_ns(qs), invariant, "no values");
  CHECK_THROWS_KIND(itl.min_ns(), invariant, "no values");
  CHECK_THROWS_KIND(itl.max_ns(), invariant, "no values");
}

TEST(itl_histogram, weights_count_as_repetitions) {
  for (const std::uint64_t distinct : {3U, 100U, 100'000U}) {
    for (const std::uint64_t n : {1U, 5U, 300U, 5000U}) {
      ItlHistogram itl;
      std::vector<Entry> entries = random_entries(n, distinct, 9);
      entries.push_back({7'000'000, 3});
      for (const Entry& entry : entries) itl.add(entry.value_ns, entry.count);
      const std::vector<std::int64_t> values = flat(entries);
      CHECK_EQ(itl.count(), values.size());
      CHECK_EQ(itl.mean_ns(), kvsim::mean(values));
      CHECK_EQ(itl.std_ns(), kvsim::standard_deviation(values));
      CHECK_EQ(itl.std_ns(1), kvsim::standard_deviation(values, 1));
      CHECK_EQ(itl.quantiles_ns(qs), kvsim::quantiles(values, qs));
      const ItlHistogram::Statistics all = itl.statistics(qs, 1);
      CHECK_EQ(all.count, values.size());
      CHECK_EQ(all.mean_ns, kvsim::mean(values));
      CHECK_EQ(all.std_ns, kvsim::standard_deviation(values, 1));
      CHECK_EQ(all.quantiles_ns, kvsim::quantiles(values, qs));
      CHECK_EQ(itl.min_ns(), *std::min_element(values.begin(), values.end()));
      CHECK_EQ(itl.max_ns(), *std::max_element(values.begin(), values.end()));
      std::map<Ns, std::uint64_t> expected;
      for (const Ns value : values) ++expected[value];
      std::vector<Entry> listed;
      for (const auto& [value, count] : expected) listed.push_back({value, count});
      CHECK(itl.distinct() == listed);
      // Sorting changes nothing that shows.
      CHECK_EQ(itl.quantiles_ns(qs), kvsim::quantiles(values, qs));
      CHECK_EQ(itl.count(), values.size());
    }
  }
}

TEST(itl_histogram, what_does_not_fit_a_word_counts_too) {
  ItlHistogram itl;
  itl.add(5, 10);
  itl.add(5, std::uint64_t{1} << 40);
  itl.add(Ns{1} << 50, 7);
  itl.add(Ns{1} << 44, 1);
  itl.add((Ns{1} << 44) - 1, (1 << 20) - 1);
  itl.add(0, 2);
  const std::vector<Entry> expected = {{0, 2},
                                       {5, (std::uint64_t{1} << 40) + 10},
                                       {(Ns{1} << 44) - 1, (1 << 20) - 1},
                                       {Ns{1} << 44, 1},
                                       {Ns{1} << 50, 7}};
  CHECK_EQ(itl.max_ns(), Ns{1} << 50);
  CHECK_EQ(itl.quantiles_ns(std::vector{0.0, 0.5, 1.0}), (std::vector<Ns>{0, 5, Ns{1} << 50}));
  CHECK(itl.distinct() == expected);
  CHECK(itl.distinct() == expected);
  CHECK_EQ(itl.count(), (std::uint64_t{1} << 40) + 10 + 2 + (1 << 20) - 1 + 8);
  CHECK_THROWS_KIND(itl.add(-1), invariant, "-1 ns");
}

TEST(itl_histogram, zero_counts_are_nothing) {
  ItlHistogram itl;
  itl.add(1, 0);
  CHECK_EQ(itl.count(), 0);
  CHECK(itl.distinct().empty());
  itl.add(9, 1);
  CHECK_EQ(itl.min_ns(), 9);
  CHECK_EQ(itl.quantiles_ns(std::vector{0.0, 1.0}), (std::vector<Ns>{9, 9}));
  itl.add(Ns{1} << 40, 0);
  itl.add(std::numeric_limits<Ns>::max(), 0);
  itl.add(11, 1);
  CHECK_EQ(itl.max_ns(), 11);
  CHECK_EQ(itl.std_ns(), 1.0);
}

TEST(itl_histogram, exact_beyond_the_buffer_while_values_repeat) {
  // Three times the buffer, so that sorted lists are merged on the way.
  ItlHistogram itl;
  const std::uint64_t n = 3 * ItlHistogram::exact_limit + 12345;
  const std::uint64_t distinct = 1000;
  for (std::uint64_t i = 0; i < n; ++i) {
    itl.add(static_cast<Ns>(i * 2654435761U % distinct), 2);
  }
  CHECK(itl.exact());
  CHECK_EQ(itl.count(), 2 * n);
  const std::vector<Entry> entries = itl.distinct();
  REQUIRE(entries.size() == distinct);
  std::uint64_t total = 0;
  for (const Entry& entry : entries) total += entry.count;
  CHECK_EQ(total, 2 * n);
  // i * odd mod 1000 runs through all residues: counts differ by one step at most.
  for (const Entry& entry : entries) {
    CHECK(entry.count / 2 == n / distinct || entry.count / 2 == n / distinct + 1);
  }
  std::size_t middle = 0;
  for (std::uint64_t below = 0; below + entries[middle].count < n; ++middle) {
    below += entries[middle].count;
  }
  CHECK_EQ(itl.quantiles_ns(std::vector{0.5})[0], entries[middle].value_ns);
}

TEST(itl_histogram, exact_up_to_the_limit_and_binned_from_there_on) {
  ItlHistogram itl;
  const auto limit = static_cast<Ns>(ItlHistogram::exact_limit);
  const auto value = [](Ns i) { return 3'000'000 + i * 17; };
  for (Ns i = limit - 1; i >= 0; --i) itl.add(value(i));
  CHECK(itl.exact());
  CHECK_EQ(itl.quantiles_ns(std::vector{0.5})[0], value(limit / 2 - 1));
  CHECK_EQ(itl.distinct().size(), ItlHistogram::exact_limit);
  itl.add(value(5));
  CHECK(itl.exact());
  itl.add(value(limit));
  CHECK(!itl.exact());
  CHECK_EQ(itl.count(), ItlHistogram::exact_limit + 2);
  // Still exact:
  CHECK_EQ(itl.min_ns(), value(0));
  CHECK_EQ(itl.max_ns(), value(limit));
  const double sum = 17.0 * static_cast<double>(limit) * static_cast<double>(limit + 1) / 2 + 85;
  CHECK_NEAR(itl.mean_ns(), 3e6 + sum / static_cast<double>(limit + 2), 1e-8);
  // Within half a bin:
  const double uniform_std = 17.0 * static_cast<double>(limit) / std::sqrt(12.0);
  CHECK_NEAR(itl.std_ns(), uniform_std, 1e-3 * uniform_std);
  for (const double q : qs) {
    const auto index = static_cast<Ns>(q * static_cast<double>(limit + 2));
    const auto exact = static_cast<double>(value(std::min(index, limit)));
    CHECK_NEAR(static_cast<double>(itl.quantiles_ns(std::vector{q})[0]), exact,
               5.1e-4 * exact + 34);
  }
  const std::vector<Entry> bins = itl.distinct();
  CHECK(bins.size() < 4 * 1024);
  CHECK(std::is_sorted(bins.begin(), bins.end(),
                       [](const Entry& a, const Entry& b) { return a.value_ns < b.value_ns; }));
}

TEST(itl_histogram, binned_results_depend_on_what_was_added_only) {
  const std::uint64_t n = ItlHistogram::exact_limit + 50'000;
  const auto value = [](std::uint64_t i) {
    return static_cast<Ns>(i * 0x9E3779B97F4A7C15U >> (i % 3 == 0 ? 10 : 36));
  };
  ItlHistogram up, down;
  for (std::uint64_t i = 0; i < n; ++i) {
    up.add(value(i), i % 3 + 1);
    // Split, in the other order, looked at on the way.
    const std::uint64_t j = n - 1 - i;
    down.add(value(j), 1);
    down.add(value(j), j % 3);
    if (i % 100'000 == 0) CHECK_EQ(down.count() > 0, true);
  }
  CHECK(!up.exact() && !down.exact());
  CHECK_EQ(up.count(), down.count());
  CHECK_EQ(up.mean_ns(), down.mean_ns());
  CHECK_EQ(up.std_ns(), down.std_ns());
  CHECK_EQ(up.quantiles_ns(qs), down.quantiles_ns(qs));
  CHECK(up.distinct() == down.distinct());
}

TEST(itl_histogram, runs_are_single_gaps) {
  ItlHistogram single;
  ItlHistogram runs;
  std::uint64_t word = 1;
  for (std::uint64_t k = 0; k < 4000; ++k) {
    ItlHistogram::Run run(runs);
    for (std::uint64_t i = 0; i < k % 300; ++i) {
      word = word * 6364136223846793005U + 1442695040888963407U;
      const Ns gap = static_cast<Ns>(word >> 40) + (k % 1000 == 0 ? Ns{1} << 50 : 0);
      single.add(gap, (k + i / 9) % 7 + 1);
      run.add(gap, (k + i / 9) % 7 + 1);
    }
  }
  CHECK_EQ(single.count(), runs.count());
  CHECK_EQ(single.mean_ns(), runs.mean_ns());
  CHECK(single.distinct() == runs.distinct());
}

TEST(itl_histogram, gaps_written_in_place_are_single_gaps) {
  ItlHistogram single;
  ItlHistogram in_place;
  std::uint64_t word = 1;
  for (std::uint64_t k = 0; k < 4000; ++k) {
    const std::uint64_t count = k % 1000 == 1 ? std::uint64_t{3} << 20 : k % 7 + 1;
    ItlHistogram::Gaps gaps(in_place, count);
    for (std::uint64_t i = 0; i < k % 600; ++i) {
      word = word * 6364136223846793005U + 1442695040888963407U;
      const Ns gap = static_cast<Ns>(word >> 44) + (i % 500 == 3 ? Ns{1} << 50 : 0);
      single.add(gap, count);
      gaps.add(gap);
    }
  }
  CHECK_EQ(single.count(), in_place.count());
  CHECK_EQ(single.mean_ns(), in_place.mean_ns());
  CHECK_EQ(single.quantiles_ns(qs), in_place.quantiles_ns(qs));
  CHECK(single.distinct() == in_place.distinct());
}

TEST(itl_histogram, merged_counts_that_outgrow_a_word_are_kept) {
  ItlHistogram itl;
  const std::uint64_t n = 3 * ItlHistogram::exact_limit / 2;
  for (std::uint64_t i = 0; i < n; ++i) itl.add(static_cast<Ns>(i % 5), 600'000);
  CHECK(itl.exact());
  CHECK_EQ(itl.count(), 600'000 * n);
  const std::vector<Entry> entries = itl.distinct();
  REQUIRE(entries.size() == 5);
  for (const Entry& entry : entries) {
    CHECK_EQ(entry.count % 600'000, 0);
    CHECK(entry.count / 600'000 == n / 5 || entry.count / 600'000 == n / 5 + 1);
  }
}
