#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "check.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/workload/build.hpp"
#include "random.hpp"

using kvsim::build_requests;
using kvsim::Dataset;
using kvsim::DatasetLengths;
using kvsim::Datasets;
using kvsim::Error;
using kvsim::FixedLengths;
using kvsim::PrefixGroups;
using kvsim::RequestTable;
using kvsim::Sessions;
using kvsim::TracePrefixes;
using kvsim::UniformLengths;
using kvsim::Workload;

namespace {

Workload of_dataset(std::optional<std::int64_t> n = {},
                    kvsim::DatasetOrder order = kvsim::DatasetOrder::trace) {
  Workload w;
  w.lengths = DatasetLengths{"d", order};
  w.prefixes = TracePrefixes{};
  w.num_requests = n;
  return w;
}

std::vector<std::uint32_t> keys_of(const RequestTable& t, std::int64_t r) {
  const std::uint32_t* keys = t.keys.of(r);
  return {keys, keys + t.keys.count(r)};
}

// The keys must tell blocks apart exactly as `identity(r, j)` does, a value that stands for all
// tokens up to the end of block j, and be those of blocks that two requests have.
template <class Identity>
void check_keys(const RequestTable& t, std::int64_t block_size, Identity identity) {
  using Id = decltype(identity(0, 0));
  std::map<Id, int> requests_with;
  const auto blocks = [&](std::int64_t r) {
    const auto i = static_cast<std::size_t>(r);
    return (t.prompt_tokens[i] + t.output_tokens[i]) / block_size;
  };
  for (std::int64_t r = 0; r < t.size(); ++r) {
    for (std::int64_t j = 0; j < blocks(r); ++j) ++requests_with[identity(r, j)];
  }
  std::map<Id, std::uint32_t> key_of;
  std::set<std::uint32_t> used;
  for (std::int64_t r = 0; r < t.size(); ++r) {
    const auto keys = keys_of(t, r);
    for (std::int64_t j = 0; j < blocks(r); ++j) {
      const bool shared = requests_with[identity(r, j)] > 1;
      CHECK_EQ(shared, j < static_cast<std::int64_t>(keys.size()));
      if (!shared || j >= static_cast<std::int64_t>(keys.size())) continue;
      const std::uint32_t key = keys[static_cast<std::size_t>(j)];
      CHECK(key < t.keys.num_shared_keys);
      const auto [known, fresh] = key_of.emplace(identity(r, j), key);
      CHECK_EQ(known->second, key);
      if (fresh) CHECK(used.insert(key).second);
    }
  }
  CHECK_EQ(used.size(), t.keys.num_shared_keys);
}

// Rows whose chains of hash blocks branch off a few trunks, prompts that end anywhere.
std::shared_ptr<Dataset> hash_rows(kvsim_test::Random& random, int rows, std::int64_t hash_tokens) {
  auto d = std::make_shared<Dataset>();
  d->hash_block_tokens = hash_tokens;
  d->hash_offset.push_back(0);
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> ids;  // (parent, branch) -> id
  for (int r = 0; r < rows; ++r) {
    const std::int64_t prompt = random.between(1, 6 * hash_tokens);
    std::int64_t parent = -1;
    for (std::int64_t h = 0; h * hash_tokens < prompt; ++h) {
      const std::int64_t branch = random.chance(70) ? 0 : random.between(1, 3);
      parent = ids.emplace(std::pair{parent, branch}, 1000 + static_cast<std::int64_t>(ids.size()))
                   .first->second;
      d->hash_ids.push_back(parent);
    }
    d->hash_offset.push_back(static_cast<std::int64_t>(d->hash_ids.size()));
    d->prompt_tokens.push_back(static_cast<std::int32_t>(prompt));
    d->output_tokens.push_back(static_cast<std::int32_t>(random.between(1, 40)));
  }
  return d;
}

std::int32_t generated(std::uint64_t i, std::uint64_t p) {
  std::uint64_t x = ((i << 32) | p) + 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return static_cast<std::int32_t>(100 + (x ^ (x >> 31)) % 150000);
}

}  // namespace

TEST(hash_prefixes, keys_tell_prefixes_apart) {
  kvsim_test::Random random(11);
  for (const std::int64_t hash_tokens : {8, 12, 64}) {
    for (const std::int64_t block : {1, 4, 5, 8, 16, 100}) {
      const auto d = hash_rows(random, 40, hash_tokens);
      const auto t = build_requests(of_dataset(), {{"d", d}}, block, 1, true);
      check_keys(t, block, [&](std::int64_t r, std::int64_t j) {
        // What a prompt has beyond its hash ids, or generates, is its own.
        const auto row = static_cast<std::size_t>(r);
        const std::int64_t end = (j + 1) * block;
        if (end > d->prompt_tokens[row]) return std::array<std::int64_t, 3>{-1 - r, j, 0};
        const auto h = static_cast<std::size_t>(d->hash_offset[row] + (end - 1) / hash_tokens);
        return std::array<std::int64_t, 3>{0, d->hash_ids[h], j};
      });
    }
  }
}

TEST(hash_prefixes, rows_that_come_again_share_their_whole_prompt) {
  kvsim_test::Random random(12);
  const auto d = hash_rows(random, 3, 8);
  const auto t = build_requests(of_dataset(7), {{"d", d}}, 4, 1, true);
  for (const std::int64_t r : {0, 1, 2}) {
    CHECK_EQ(keys_of(t, r), keys_of(t, r + 3));
    CHECK_EQ(t.keys.count(r), t.prompt_tokens[static_cast<std::size_t>(r)] / 4);
  }
}

TEST(hash_prefixes, drawn_rows_bring_their_own) {
  kvsim_test::Random random(13);
  const auto d = hash_rows(random, 50, 8);
  const auto t =
      build_requests(of_dataset(30, kvsim::DatasetOrder::resample), {{"d", d}}, 4, 1, true);
  for (std::int64_t r = 0; r < t.size(); ++r) {
    for (std::int64_t s = 0; s < r; ++s) {
      const auto a = keys_of(t, r);
      const auto b = keys_of(t, s);
      const std::size_t most = std::min(a.size(), b.size());
      bool parted = false;
      for (std::size_t j = 0; j < most; ++j) {
        parted = parted || a[j] != b[j];
        CHECK_EQ(parted, a[j] != b[j]);  // once apart, apart for good
      }
    }
  }
}

TEST(hash_prefixes, an_id_after_another_parent_is_another_prefix) {
  auto d = std::make_shared<Dataset>();
  d->hash_block_tokens = 4;
  d->prompt_tokens = {8, 8, 8};
  d->output_tokens = {1, 1, 1};
  d->hash_offset = {0, 2, 4, 6};
  d->hash_ids = {1, 9, 2, 9, 1, 9};
  const auto t = build_requests(of_dataset(), {{"d", d}}, 4, 1, true);
  CHECK_EQ(keys_of(t, 0), keys_of(t, 2));
  CHECK_EQ(t.keys.count(0), 2);
  CHECK_EQ(t.keys.count(1), 0);
}

TEST(hash_prefixes, refuse_rows_with_too_few_ids) {
  auto d = std::make_shared<Dataset>();
  d->hash_block_tokens = 4;
  d->prompt_tokens = {8, 9};
  d->output_tokens = {1, 1};
  d->hash_offset = {0, 2, 4};
  d->hash_ids = {1, 2, 1, 2};
  CHECK_THROWS_WITH(build_requests(of_dataset(), {{"d", d}}, 4, 1, true), Error,
                    "2 hash_ids in dataset \"d\", row 2; allowed: 3");
  d->hash_ids = {1};
  CHECK_THROWS_WITH(build_requests(of_dataset(), {{"d", d}}, 4, 1, true), Error,
                    "1 entries in hash_ids");
}

TEST(trace_prefixes, need_a_dataset_that_has_them) {
  auto d = std::make_shared<Dataset>();
  d->prompt_tokens = d->output_tokens = {8};
  CHECK_THROWS_WITH(build_requests(of_dataset(), {{"d", d}}, 4, 1, true), Error,
                    "has neither hash_ids nor token ids");
}

TEST(token_prefixes, keys_are_chains_of_equal_tokens) {
  kvsim_test::Random random(21);
  for (const std::int64_t block : {1, 3, 4, 16}) {
    auto d = std::make_shared<Dataset>();
    d->token_offset.push_back(0);
    std::vector<std::vector<std::int32_t>> known;  // prompt and output, by request
    for (std::uint64_t r = 0; r < 60; ++r) {
      std::vector<std::int32_t> tokens;
      // Some go on where an earlier request ended (a chat), some share a start, with few different
      // tokens so that equal ids at other places abound.
      if (r > 0 && random.chance(60)) {
        tokens =
            known[static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(r) - 1))];
        if (random.chance(50))
          tokens.resize(static_cast<std::size_t>(
              random.between(1, static_cast<std::int64_t>(tokens.size()))));
      }
      for (std::int64_t i = random.between(1, 30); i > 0; --i) {
        tokens.push_back(static_cast<std::int32_t>(random.between(0, 1)));
      }
      d->token_ids.insert(d->token_ids.end(), tokens.begin(), tokens.end());
      d->token_offset.push_back(static_cast<std::int64_t>(d->token_ids.size()));
      d->prompt_tokens.push_back(static_cast<std::int32_t>(tokens.size()));
      d->output_tokens.push_back(static_cast<std::int32_t>(random.between(1, 20)));
      for (int p = 0; p < d->output_tokens.back(); ++p) {
        tokens.push_back(generated(r, static_cast<std::uint64_t>(p)));
      }
      known.push_back(tokens);
    }
    const auto t = build_requests(of_dataset(), {{"d", d}}, block, 1, true);
    CHECK(t.keys.num_shared_keys > 0);
    check_keys(t, block, [&](std::int64_t r, std::int64_t j) {
      const auto& tokens = known[static_cast<std::size_t>(r)];
      return std::vector<std::int32_t>(tokens.begin(), tokens.begin() + (j + 1) * block);
    });
  }
}

TEST(token_prefixes, refuse_prompts_of_another_length) {
  auto d = std::make_shared<Dataset>();
  d->prompt_tokens = {3};
  d->output_tokens = {1};
  d->token_offset = {0, 2};
  d->token_ids = {1, 2};
  CHECK_THROWS_WITH(build_requests(of_dataset(), {{"d", d}}, 4, 1, true), Error,
                    "2 token ids in dataset \"d\", row 1; allowed: 3");
}

TEST(prefix_groups, are_set_before_the_prompts) {
  Workload w;
  w.num_requests = 2000;
  w.lengths = FixedLengths{100, 10};
  w.prefixes = PrefixGroups{5, 70, 0.0};
  const auto t = build_requests(w, {}, 16, 3, true);
  std::map<std::vector<std::uint32_t>, int> groups;
  for (std::int64_t r = 0; r < t.size(); ++r) {
    CHECK_EQ(t.prompt_tokens[static_cast<std::size_t>(r)], 170);
    REQUIRE(t.keys.count(r) == 4);  // 70 div 16
    ++groups[keys_of(t, r)];
  }
  CHECK_EQ(groups.size(), 5U);
  CHECK_EQ(t.keys.num_shared_keys, 20U);
  for (const auto& [keys, members] : groups) CHECK_NEAR(members, 400, 80);
  CHECK(build_requests(w, {}, 16, 3, false).keys.offset.empty());
}

TEST(prefix_groups, popularity_is_zipf) {
  Workload w;
  w.num_requests = 60'000;
  w.prefixes = PrefixGroups{3, 16, 1.0};
  const auto t = build_requests(w, {}, 16, 3, true);
  std::map<std::uint32_t, int> members;
  for (std::int64_t r = 0; r < t.size(); ++r) ++members[keys_of(t, r)[0]];
  // 1 : 1/2 : 1/3, groups in order of their number.
  CHECK_NEAR(members[0], 60'000 * 6 / 11.0, 600);
  CHECK_NEAR(members[1], 60'000 * 3 / 11.0, 600);
  CHECK_NEAR(members[2], 60'000 * 2 / 11.0, 600);
}

TEST(prefix_groups, of_one_member_share_nothing) {
  Workload w;
  w.num_requests = 1;
  w.prefixes = PrefixGroups{};
  CHECK_EQ(build_requests(w, {}, 16, 3, true).keys.num_shared_keys, 0U);
  CHECK_EQ(build_requests(w, {}, 16, 3, true).keys.count(0), 0);
  w.prefixes = PrefixGroups{1, (1 << 29), 0};
  w.lengths = FixedLengths{1 << 30, 1 << 30};
  CHECK_THROWS_WITH(build_requests(w, {}, 16, 3, true), Error, "workload.lengths");
  w.lengths = FixedLengths{1 << 30, (1 << 30) - 1};
  CHECK_THROWS_WITH(build_requests(w, {}, 16, 3, true), Error, "workload.prefixes.prefix_tokens");
}

TEST(sessions, turns_contain_what_came_before) {
  Workload w;
  w.num_requests = 11;
  w.lengths = FixedLengths{30, 20};
  w.prefixes = Sessions{4, 2.0};
  const auto t = build_requests(w, {}, 16, 5, true);
  CHECK_EQ(t.prompt_tokens,
           (std::vector<std::int32_t>{30, 80, 130, 180, 30, 80, 130, 180, 30, 80, 130}));
  CHECK_EQ(t.successor, (std::vector<std::int32_t>{1, 2, 3, -1, 5, 6, 7, -1, 9, 10, -1}));
  for (std::size_t r = 0; r < 11; ++r) {
    CHECK_EQ(t.arrival_ns[r] >= 0, r % 4 == 0);
    CHECK_EQ(t.delay_ns[r] > 0, r % 4 != 0);
  }
  CHECK(t.arrival_ns[0] < t.arrival_ns[4] && t.arrival_ns[4] < t.arrival_ns[8]);
  // Token i of a session is the same in all of its turns.
  check_keys(t, 16, [](std::int64_t r, std::int64_t j) { return std::pair{r / 4, j}; });
}

TEST(sessions, think_times_and_lengths_do_not_depend_on_the_number_of_turns) {
  Workload w;
  w.num_requests = 4000;
  w.lengths = UniformLengths{};
  w.prefixes = Sessions{4, 2.0};
  const auto four = build_requests(w, {}, 16, 5, false);
  w.prefixes = Sessions{5, 2.0};
  const auto five = build_requests(w, {}, 16, 5, false);
  for (std::size_t session = 0; session < 800; ++session) {
    CHECK_EQ(four.arrival_ns[4 * session], five.arrival_ns[5 * session]);
    for (std::size_t turn = 0; turn < 4; ++turn) {
      CHECK_EQ(four.prompt_tokens[4 * session + turn], five.prompt_tokens[5 * session + turn]);
      CHECK_EQ(four.delay_ns[4 * session + turn], five.delay_ns[5 * session + turn]);
    }
  }
  double sum = 0;
  for (const auto d : four.delay_ns) sum += static_cast<double>(d) / 1e9;
  CHECK_NEAR(sum / 3000, 2, 0.15);
}

TEST(sessions, single_turns_share_nothing_and_endless_ones_are_refused) {
  Workload w;
  w.num_requests = 3;
  w.prefixes = Sessions{1, 2.0};
  const auto t = build_requests(w, {}, 16, 5, true);
  CHECK_EQ(t.keys.num_shared_keys, 0U);
  CHECK(std::is_sorted(t.arrival_ns.begin(), t.arrival_ns.end()));
  w.num_requests = 1000;
  w.lengths = FixedLengths{1 << 22, 1};
  w.prefixes = Sessions{1000, 0.0};
  CHECK_THROWS_WITH(build_requests(w, {}, 16, 5, true), Error, "workload.prefixes.turns");
}
