// Synthetic shared prefixes: groups of requests with one prefix, and sessions of several turns.

#include <algorithm>
#include <string>
#include <vector>

#include "kvsim/core/distributions.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/core/philox.hpp"
#include "kvsim/workload/chain_index.hpp"
#include "kvsim/workload/source.hpp"

namespace kvsim {

namespace {

std::vector<std::uint32_t> draw_groups(const PrefixGroups& p, const WorkloadSource& source) {
  const Stream stream(source.seed, Purpose::prefix_group);
  std::vector<std::uint32_t> group(static_cast<std::size_t>(source.requests));
  const Zipf law(static_cast<std::uint64_t>(p.num_groups), p.zipf_exponent);
  for (std::size_t r = 0; r < group.size(); ++r) {
    source.control.poll(r);
    group[r] = static_cast<std::uint32_t>(law(stream, r) - 1);
  }
  return group;
}

// Groups with one member share nothing; the others get `blocks` consecutive keys each.
PrefixKeys group_keys(const std::vector<std::uint32_t>& group, std::size_t groups,
                      std::uint32_t blocks) {
  std::vector<std::uint32_t> members(groups);
  for (const std::uint32_t g : group) ++members[g];
  std::vector<std::uint32_t> base(groups);
  std::uint64_t next = 0;
  for (std::size_t g = 0; g < groups; ++g) {
    base[g] = static_cast<std::uint32_t>(next);
    if (members[g] > 1) next += blocks;
  }
  check_key_count(next);
  PrefixKeys keys;
  keys.num_shared_keys = static_cast<std::uint32_t>(next);
  if (next == 0) return keys;
  keys.offset.reserve(group.size() + 1);
  keys.offset.push_back(0);
  for (const std::uint32_t g : group) {
    keys.offset.push_back(keys.offset.back() + (members[g] > 1 ? blocks : 0));
  }
  keys.shared.resize(static_cast<std::size_t>(keys.offset.back()));
  std::uint32_t* out = keys.shared.data();
  for (const std::uint32_t g : group) {
    if (members[g] < 2) continue;
    for (std::uint32_t j = 0; j < blocks; ++j) *out++ = base[g] + j;
  }
  return keys;
}

[[noreturn]] void fail_session_length(std::int64_t total, std::int64_t r, std::int64_t turns) {
  bad_field("workload.prefixes.turns", std::to_string(turns),
            "fewer turns: prompt and output of turn " + std::to_string(r % turns + 1) +
                " of session " + std::to_string(r / turns + 1) + " have " + std::to_string(total) +
                " tokens, more than " + std::to_string(longest_request_tokens));
}

// A turn's blocks are all part of the next turn's prompt, so of a session's turns every block is
// shared that another turn has too: those of all turns but the last, and of the last those that the
// one before it filled.
PrefixKeys session_keys(const WorkloadSource& source, std::int64_t block_size,
                        const RequestTable& table) {
  const auto known_blocks = [&](std::int64_t r) {
    const auto i = static_cast<std::size_t>(r);
    return (std::int64_t{table.prompt_tokens[i]} + table.output_tokens[i]) / block_size;
  };
  PrefixKeys keys;
  keys.offset.push_back(0);
  std::uint64_t base = 0;
  for (std::int64_t first = 0; first < source.requests; first += source.turns) {
    const std::int64_t last = std::min(first + source.turns, source.requests) - 1;
    const std::int64_t of_session = last > first ? known_blocks(last - 1) : 0;
    check_key_count(base + static_cast<std::uint64_t>(of_session));
    for (std::int64_t r = first; r <= last; ++r) {
      const std::int64_t shared = std::min(known_blocks(r), of_session);
      for (std::int64_t j = 0; j < shared; ++j) {
        keys.shared.push_back(static_cast<std::uint32_t>(base + static_cast<std::uint64_t>(j)));
      }
      keys.offset.push_back(static_cast<std::int64_t>(keys.shared.size()));
    }
    base += static_cast<std::uint64_t>(of_session);
  }
  keys.num_shared_keys = static_cast<std::uint32_t>(base);
  if (base == 0) keys.offset.clear();
  return keys;
}

}  // namespace

void add_group_prefixes(const PrefixGroups& groups, const WorkloadSource& source,
                        std::int64_t block_size, bool need_keys, RequestTable& table) {
  for (std::size_t r = 0; r < table.prompt_tokens.size(); ++r) {
    const std::int64_t prompt = table.prompt_tokens[r] + groups.prefix_tokens;
    if (prompt + table.output_tokens[r] > longest_request_tokens) {
      bad_field("workload.prefixes.prefix_tokens", std::to_string(groups.prefix_tokens),
                "at most " +
                    std::to_string(longest_request_tokens - table.prompt_tokens[r] -
                                   table.output_tokens[r]) +
                    ", which prompt and output of request " + std::to_string(r) + " leave");
    }
    table.prompt_tokens[r] = static_cast<std::int32_t>(prompt);
  }
  const std::int64_t blocks = groups.prefix_tokens / block_size;
  if (need_keys && blocks > 0) {
    table.keys =
        group_keys(draw_groups(groups, source), static_cast<std::size_t>(groups.num_groups),
                   static_cast<std::uint32_t>(blocks));
  }
}

void link_sessions(const Sessions& sessions, const WorkloadSource& source, std::int64_t block_size,
                   bool need_keys, RequestTable& table) {
  const auto n = static_cast<std::size_t>(source.requests);
  const double think_ns = sessions.think_time_s * 1e9;
  const Stream stream(source.seed, Purpose::think_time);
  const std::vector<Ns> starts = std::move(table.arrival_ns);
  table.arrival_ns.assign(n, -1);
  table.successor.assign(n, -1);
  table.delay_ns.assign(n, 0);
  source.for_each_request([&](std::int64_t r, std::uint64_t session, std::uint64_t turn) {
    const auto i = static_cast<std::size_t>(r);
    if (turn == 0) {
      table.arrival_ns[i] = starts[static_cast<std::size_t>(session)];
      return;
    }
    const std::int64_t before =
        std::int64_t{table.prompt_tokens[i - 1]} + table.output_tokens[i - 1];
    const std::int64_t prompt = before + table.prompt_tokens[i];
    const std::int64_t total = prompt + table.output_tokens[i];
    if (total > longest_request_tokens) fail_session_length(total, r, source.turns);
    table.prompt_tokens[i] = static_cast<std::int32_t>(prompt);
    table.successor[i - 1] = static_cast<std::int32_t>(r);
    table.delay_ns[i] = round_half_even_checked(think_ns * exponential(stream, session, turn, 1.0),
                                                "workload.prefixes.think_time_s");
  });
  if (need_keys) table.keys = session_keys(source, block_size, table);
}

}  // namespace kvsim
