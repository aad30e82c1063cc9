// Values at several ranks of weighted, unordered keys, in a few passes instead of a sort.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "kvsim/core/sort.hpp"

namespace kvsim::detail {

// Keys that order as the values do.
[[nodiscard]] constexpr std::uint64_t ordered_key(std::int64_t value) {
  return static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63);
}
[[nodiscard]] constexpr std::int64_t int_from_key(std::uint64_t key) {
  return static_cast<std::int64_t>(key ^ (std::uint64_t{1} << 63));
}
// -0.0 is below 0.0; NaN has no place.
[[nodiscard]] constexpr std::uint64_t ordered_key(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  return (bits >> 63) != 0 ? ~bits : bits | (std::uint64_t{1} << 63);
}
[[nodiscard]] constexpr double double_from_key(std::uint64_t key) {
  return std::bit_cast<double>((key >> 63) != 0 ? key ^ (std::uint64_t{1} << 63) : ~key);
}

// What is selected from: items with a key and a weight, and how the items of a bucket are counted.
struct Key {
  std::uint64_t bits;
  [[nodiscard]] std::uint64_t key() const { return bits; }
  [[nodiscard]] std::uint64_t weight() const { return 1; }
  struct Bucket {
    std::size_t count = 0;
    void add(Key) { ++count; }
    [[nodiscard]] std::uint64_t weight() const { return count; }
    [[nodiscard]] std::size_t items() const { return count; }
  };
};

struct WeightedKey {
  std::uint64_t bits;
  std::uint64_t weighs;
  [[nodiscard]] std::uint64_t key() const { return bits; }
  [[nodiscard]] std::uint64_t weight() const { return weighs; }
  struct Bucket {
    std::uint64_t sum = 0;
    std::size_t count = 0;
    void add(WeightedKey item) {
      sum += item.weighs;
      ++count;
    }
    [[nodiscard]] std::uint64_t weight() const { return sum; }
    [[nodiscard]] std::size_t items() const { return count; }
  };
};

template <class Item>
struct VisitItems {
  std::span<const Item> items;
  template <class F>
  void operator()(const F& f) const {
    for (const Item item : items) f(item);
  }
};

// The least and the greatest key.
struct KeyRange {
  std::uint64_t low = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t high = 0;
  void add(std::uint64_t key) {
    low = std::min(low, key);
    high = std::max(high, key);
  }
};

// The ranks [first, last) whose keys lie in one bucket; the weights below it sum to `before`.
struct RankGroup {
  std::size_t first;
  std::size_t last;
  std::size_t bucket;
  std::uint64_t before;
};

template <class Bucket>
std::vector<RankGroup> group_ranks(const std::vector<Bucket>& buckets,
                                   std::span<const std::uint64_t> ranks) {
  std::vector<RankGroup> groups;
  std::uint64_t before = 0;
  std::size_t next = 0;
  for (std::size_t b = 0; next < ranks.size(); before += buckets[b++].weight()) {
    const std::size_t first = next;
    while (next < ranks.size() && ranks[next] - before <= buckets[b].weight()) ++next;
    if (next > first) groups.push_back({first, next, b, before});
  }
  return groups;
}

template <class Item>
void select_by_sorting(std::span<Item> items, std::span<const std::uint64_t> ranks,
                       std::uint64_t* out) {
  compact_sort(items, [](Item a, Item b) { return a.key() < b.key(); });
  std::size_t i = 0;
  std::uint64_t before = 0;
  for (const std::uint64_t rank : ranks) {
    while (rank - before > items[i].weight()) before += items[i++].weight();
    *out++ = items[i].key();
  }
}

// visit(f) calls f(item) for every item; their keys lie within `range`. out[i] becomes the least
// key at which the cumulative weight reaches ranks[i]; ranks ascend within 1 .. the total weight,
// which is below 2^64. Each level reads the items twice, spreads them over 2^11 buckets and goes on
// with those buckets that ranks fall in: two levels where values spread evenly, six at worst.
template <class Item, class Visit>
void select_ranks(const Visit& visit, const KeyRange& range, std::span<const std::uint64_t> ranks,
                  std::uint64_t* out) {
  constexpr int bucket_bits = 11;
  constexpr std::size_t few = 256;
  if (ranks.empty()) return;
  const std::uint64_t low = range.low;
  const int shift = std::max(0, static_cast<int>(std::bit_width(range.high - low)) - bucket_bits);
  const auto bucket_of = [low, shift](Item item) {
    return static_cast<std::size_t>((item.key() - low) >> shift);
  };
  std::vector<typename Item::Bucket> buckets(std::size_t{1} << bucket_bits);
  visit([&, counts = buckets.data()](Item item) { counts[bucket_of(item)].add(item); });
  const std::vector<RankGroup> groups = group_ranks(buckets, ranks);
  if (shift == 0) {
    for (const RankGroup& group : groups) {
      std::fill(out + group.first, out + group.last, low + group.bucket);
    }
    return;
  }
  // The items of the groups' buckets, group after group; those of other buckets all go to one more
  // place at the end, which is faster than a branch.
  struct Target {
    std::size_t place;
    std::size_t step;
  };
  std::size_t wanted = 0;
  for (const RankGroup& group : groups) wanted += buckets[group.bucket].items();
  std::vector<Target> targets(buckets.size(), Target{wanted, 0});
  wanted = 0;
  for (const RankGroup& group : groups) {
    targets[group.bucket] = {wanted, 1};
    wanted += buckets[group.bucket].items();
  }
  std::vector<Item> gathered(wanted + 1);
  visit([&, to = targets.data(), all = gathered.data()](Item item) {
    Target& target = to[bucket_of(item)];
    all[target.place] = item;
    target.place += target.step;
  });
  for (const RankGroup& group : groups) {
    const std::size_t count = buckets[group.bucket].items();
    const std::span<Item> items(gathered.data() + targets[group.bucket].place - count, count);
    std::vector<std::uint64_t> inner;
    for (std::size_t r = group.first; r < group.last; ++r) inner.push_back(ranks[r] - group.before);
    if (count <= few) {
      select_by_sorting(items, std::span<const std::uint64_t>(inner), out + group.first);
      continue;
    }
    KeyRange within;
    for (const Item item : items) within.add(item.key());
    select_ranks<Item>(VisitItems<Item>{items}, within, std::span<const std::uint64_t>(inner),
                       out + group.first);
  }
}

}  // namespace kvsim::detail
