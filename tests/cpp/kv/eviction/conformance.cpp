#include "kv/eviction/conformance.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "kvsim/workload/request_table.hpp"
#include "random.hpp"

namespace kvsim_test {
namespace {

enum class State { unreleased, free, in_use };

kvsim::RequestTable requests_of(Random& random, std::uint32_t contents) {
  kvsim::RequestTable table;
  table.keys.num_shared_keys = contents;
  table.keys.offset = {0};
  for (int r = 0; r < 300; ++r) {
    table.prompt_tokens.push_back(2);
    table.keys.shared.push_back(static_cast<std::uint32_t>(random.between(0, contents - 1)));
    table.keys.offset.push_back(r + 1);
  }
  return table;
}

}  // namespace

// Blocks come, are hit and go. The policy must choose a block that is free, and be able to give up
// every free one.
std::string broken_rule(const MakePolicy& make, std::uint64_t seed) {
  Random random(seed);
  const std::int64_t blocks = random.between(2, 80);
  const auto contents = static_cast<std::uint32_t>(random.between(1, 120));
  const kvsim::RequestTable requests = requests_of(random, contents);
  const auto policy = make({blocks, 1, seed, 0.5, &requests});
  std::vector<State> state(static_cast<std::size_t>(blocks), State::unreleased);
  std::int64_t free = 0;

  const auto evict = [&]() -> std::string {
    std::uint32_t block = 0;
    policy->evict_all(1, &block);
    if (block == 0 || block >= state.size()) return "evicts a block that there is not";
    if (state[block] == State::in_use) return "evicts a block in use";
    if (state[block] == State::unreleased) return "evicts a block that it does not hold";
    state[block] = State::unreleased;
    --free;
    return "";
  };
  for (int i = 0; i < 3000; ++i) {
    const auto block = static_cast<std::uint32_t>(random.between(1, blocks - 1));
    State& s = state[block];
    if (random.chance(25) && free > 0) {
      if (const std::string broken = evict(); !broken.empty()) return broken;
    } else if (s == State::free) {
      if (random.chance(10)) policy->forget(block);
      policy->hit(block, true);
      s = State::in_use;
      --free;
    } else if (random.chance(20)) {
      policy->hit(block, false);
    } else {
      const bool gone = random.chance(10);
      const auto content = static_cast<std::uint64_t>(random.between(0, contents - 1));
      const kvsim::Released released = {gone ? kvsim::Released::nothing : content, block,
                                        static_cast<std::uint32_t>(random.between(0, 5))};
      policy->release_all(&released, 1, {s == State::unreleased, random.chance(10)});
      s = State::free;
      ++free;
    }
    policy->admitted(static_cast<std::uint32_t>(i / 10));
  }
  while (free > 0) {
    if (const std::string broken = evict(); !broken.empty()) return broken;
  }
  return "";
}

std::string batch_difference(const MakePolicy& make, std::uint64_t seed) {
  Random random(seed);
  const std::int64_t blocks = random.between(2, 200);
  const auto contents = static_cast<std::uint32_t>(random.between(1, 300));
  const kvsim::RequestTable requests = requests_of(random, contents);
  const kvsim::EvictionSetup setup = {blocks, 1, seed, 0.5, &requests};
  const auto at_once = make(setup);
  const auto single = make(setup);
  std::vector<State> state(static_cast<std::size_t>(blocks), State::unreleased);
  std::int64_t free = 0;

  for (std::uint32_t i = 0; i < 1000; ++i) {
    const std::int64_t most = random.between(1, 40);
    if (random.chance(30) && free > 0) {
      const auto n = static_cast<std::size_t>(std::min(most, free));
      std::vector<std::uint32_t> batch(n), one_by_one(n);
      at_once->evict_all(n, batch.data());
      for (std::uint32_t& block : one_by_one) single->evict_all(1, &block);
      if (batch != one_by_one) return "evicts others in call " + std::to_string(i);
      for (const std::uint32_t block : batch) state[block] = State::unreleased;
      free -= static_cast<std::int64_t>(n);
    } else if (random.chance(40)) {
      const auto block = static_cast<std::uint32_t>(random.between(1, blocks - 1));
      const bool was_free = state[block] == State::free;
      at_once->hit(block, was_free);
      single->hit(block, was_free);
      if (!was_free) continue;
      --free;
      state[block] = State::in_use;
    } else {
      // Blocks of a request, from the tail to the head.
      const State before = random.chance(30) ? State::in_use : State::unreleased;
      std::vector<kvsim::Released> released;
      for (auto position = static_cast<std::uint32_t>(most); position > 0; --position) {
        const auto block = static_cast<std::uint32_t>(random.between(1, blocks - 1));
        if (state[block] != before) continue;
        state[block] = State::free;
        ++free;
        const auto content = static_cast<std::uint64_t>(random.between(0, contents - 1));
        released.push_back(
            {random.chance(30) ? kvsim::Released::nothing : content, block, position - 1});
      }
      if (released.empty()) continue;
      const kvsim::Release how = {before == State::unreleased, false};
      at_once->release_all(released.data(), released.size(), how);
      for (const auto& one : released) single->release_all(&one, 1, how);
    }
    at_once->admitted(i / 10);
    single->admitted(i / 10);
  }
  return "";
}

}  // namespace kvsim_test
