// Prefix keys from explicit token ids: the key of a block stands for all tokens up to its end. The
// tokens that a request generates count too, since the next turn of a chat has them in its prompt.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "kvsim/core/error.hpp"
#include "kvsim/workload/chain_index.hpp"
#include "kvsim/workload/source.hpp"

namespace kvsim {

namespace {

std::uint64_t splitmix64(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

// Output p of request i, the law of the golden traces; a recorded chat's prompts repeat it.
std::int32_t generated_token(std::uint64_t i, std::uint64_t p) {
  return 100 + static_cast<std::int32_t>(splitmix64((i << 32) | p) % 150000);
}

class TokenChains {
 public:
  TokenChains(const WorkloadSource& source, std::int64_t block_size, const RequestTable& table)
      : source_(source),
        d_(*source.dataset),
        table_(table),
        bs_(static_cast<std::size_t>(block_size)),
        block_(bs_),
        other_(bs_) {}

  PrefixKeys keys() {
    const auto n = static_cast<std::size_t>(table_.size());
    std::vector<std::size_t> begin(n + 1);
    for (std::size_t r = 0; r < n; ++r) begin[r + 1] = begin[r] + known_tokens(r) / bs_;
    check_key_count(begin[n]);
    std::vector<std::uint32_t> node_of(begin[n]);
    intern(begin, node_of);
    return shared_only(begin, node_of);
  }

 private:
  struct Node {
    std::uint32_t request;  // the first that has it
    std::uint32_t block;
    std::uint32_t key = 0;
    bool shared = false;
  };

  [[nodiscard]] std::size_t known_tokens(std::size_t r) const {
    return static_cast<std::size_t>(table_.prompt_tokens[r]) +
           static_cast<std::size_t>(table_.output_tokens[r]);
  }
  [[nodiscard]] std::span<const std::int32_t> prompt(std::size_t r) const {
    const std::size_t row = source_.row_of(static_cast<std::int64_t>(r));
    const auto from = static_cast<std::size_t>(d_.token_offset[row]);
    return {d_.token_ids.data() + from, static_cast<std::size_t>(d_.token_offset[row + 1]) - from};
  }
  void check_row(std::size_t r) const {
    if (prompt(r).size() == static_cast<std::size_t>(table_.prompt_tokens[r])) return;
    const std::size_t row = source_.row_of(static_cast<std::int64_t>(r));
    bad_field("workload.lengths.name",
              std::to_string(prompt(r).size()) + " token ids in " + source_.row_text(row),
              std::to_string(table_.prompt_tokens[r]) + ", the length of its prompt");
  }

  // Tokens of block j of request r: in place if they are all of its prompt, else put into
  // `scratch`.
  const std::int32_t* tokens(std::size_t r, std::size_t j,
                             std::vector<std::int32_t>& scratch) const {
    const auto text = prompt(r);
    const std::size_t from = j * bs_;
    if (from + bs_ <= text.size()) return text.data() + from;
    for (std::size_t i = 0; i < bs_; ++i) {
      const std::size_t at = from + i;
      scratch[i] = at < text.size() ? text[at] : generated_token(r, at - text.size());
    }
    return scratch.data();
  }

  [[nodiscard]] std::uint64_t digest(const std::int32_t* tokens) const {
    std::uint64_t h = bs_;
    const auto mix = [&h](std::uint64_t word) {
      h = (h ^ word) * 0x9E3779B97F4A7C15U;
      h ^= h >> 32;
    };
    std::size_t i = 0;
    for (; i + 2 <= bs_; i += 2) {
      std::uint64_t two;
      std::memcpy(&two, tokens + i, sizeof two);
      mix(two);
    }
    if (i < bs_) mix(static_cast<std::uint32_t>(tokens[i]));
    return h;
  }

  void intern(const std::vector<std::size_t>& begin, std::vector<std::uint32_t>& node_of) {
    ChainIndex index(node_of.size());
    for (std::size_t r = 0; r + 1 < begin.size(); ++r) {
      source_.control.poll();
      check_row(r);
      std::uint32_t parent = ChainIndex::root;
      for (std::size_t j = 0; j < begin[r + 1] - begin[r]; ++j) {
        const std::int32_t* mine = tokens(r, j, block_);
        parent = index.find_or_add(parent, digest(mine), [&](std::uint32_t node) {
          const std::int32_t* theirs = tokens(nodes_[node].request, nodes_[node].block, other_);
          return std::memcmp(mine, theirs, bs_ * sizeof(std::int32_t)) == 0;
        });
        if (parent == nodes_.size()) {
          nodes_.push_back({static_cast<std::uint32_t>(r), static_cast<std::uint32_t>(j)});
        } else {
          nodes_[parent].shared = true;
        }
        node_of[begin[r] + j] = parent;
      }
    }
  }

  PrefixKeys shared_only(const std::vector<std::size_t>& begin,
                         const std::vector<std::uint32_t>& node_of) {
    PrefixKeys keys;
    for (Node& node : nodes_) {
      if (node.shared) node.key = keys.num_shared_keys++;
    }
    if (keys.num_shared_keys == 0) return keys;
    keys.offset.push_back(0);
    for (std::size_t r = 0; r + 1 < begin.size(); ++r) {
      for (std::size_t i = begin[r]; i < begin[r + 1] && nodes_[node_of[i]].shared; ++i) {
        keys.shared.push_back(nodes_[node_of[i]].key);
      }
      keys.offset.push_back(static_cast<std::int64_t>(keys.shared.size()));
    }
    return keys;
  }

  const WorkloadSource& source_;
  const Dataset& d_;
  const RequestTable& table_;
  std::size_t bs_;
  std::vector<std::int32_t> block_, other_;
  std::vector<Node> nodes_;
};

}  // namespace

void check_key_count(std::uint64_t keys) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max() - 1;
  if (keys > most) {
    bad_field("workload.prefixes", std::to_string(keys) + " shared blocks",
              "at most " + std::to_string(most) + "; use fewer requests or larger blocks");
  }
}

void add_token_keys(const WorkloadSource& source, std::int64_t block_size, RequestTable& table) {
  table.keys = TokenChains(source, block_size, table).keys();
}

}  // namespace kvsim
