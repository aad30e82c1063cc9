// Prefix keys from a trace's hash_ids. An id stands for hash_block_tokens tokens and all that came
// before them; where a trace breaks that promise, the chain of ids (parent, id) is what counts
// here.
//
// A KV block belongs to the hash block that holds its last token, and is equal in two requests if
// they share the chain up to that hash block: so its key is (chain node, index of the block). For a
// node the requests differ only in how many of its blocks their prompts fill, hence a block is
// shared if the node's second-largest fill reaches it.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "kvsim/core/error.hpp"
#include "kvsim/workload/chain_index.hpp"
#include "kvsim/workload/source.hpp"

namespace kvsim {

namespace {

struct Fill {
  std::uint32_t largest = 0;
  std::uint32_t second = 0;
  void add(std::uint32_t blocks) {
    if (blocks > largest) {
      second = largest;
      largest = blocks;
    } else if (blocks > second) {
      second = blocks;
    }
  }
};

class HashChains {
 public:
  HashChains(const WorkloadSource& source, std::int64_t block_size, const RequestTable& table)
      : source_(source), d_(*source.dataset), table_(table), bs_(block_size) {
    const std::size_t rows = source.drawn_rows.empty()
                                 ? static_cast<std::size_t>(std::min(source.requests, d_.rows()))
                                 : static_cast<std::size_t>(d_.rows());
    check(rows);
    first_block_.push_back(0);
    intern(rows);
  }

  PrefixKeys keys() {
    for (std::int64_t r = 0; r < table_.size(); ++r) {
      source_.control.poll(static_cast<std::size_t>(r));
      walk(r, [&](std::uint32_t node, std::uint32_t blocks) {
        fill_[node].add(blocks);
        return true;
      });
    }
    PrefixKeys keys;
    std::vector<std::uint32_t> base(fill_.size());
    std::uint64_t next = 0;
    for (std::size_t node = 0; node < fill_.size(); ++node) {
      base[node] = static_cast<std::uint32_t>(next);
      next += fill_[node].second;
    }
    check_key_count(next);
    keys.num_shared_keys = static_cast<std::uint32_t>(next);
    if (next == 0) return keys;
    keys.offset.resize(static_cast<std::size_t>(table_.size()) + 1);
    for (std::int64_t r = 0; r < table_.size(); ++r) {
      source_.control.poll(static_cast<std::size_t>(r));
      std::int64_t count = 0;
      walk(r, [&](std::uint32_t node, std::uint32_t blocks) {
        count += std::min(blocks, fill_[node].second);
        return blocks <= fill_[node].second;
      });
      keys.offset[static_cast<std::size_t>(r) + 1] =
          keys.offset[static_cast<std::size_t>(r)] + count;
    }
    keys.shared.resize(static_cast<std::size_t>(keys.offset.back()));
    std::uint32_t* out = keys.shared.data();
    for (std::int64_t r = 0; r < table_.size(); ++r) {
      source_.control.poll(static_cast<std::size_t>(r));
      walk(r, [&](std::uint32_t node, std::uint32_t blocks) {
        const std::uint32_t shared = std::min(blocks, fill_[node].second);
        for (std::uint32_t k = 0; k < shared; ++k) out[k] = base[node] + k;
        out += shared;
        return blocks <= fill_[node].second;
      });
    }
    return keys;
  }

 private:
  void check(std::size_t rows) const {
    for (std::size_t row = 0; row < rows; ++row) {
      const std::int64_t count = d_.hash_offset[row + 1] - d_.hash_offset[row];
      const std::int64_t needed =
          (d_.prompt_tokens[row] + d_.hash_block_tokens - 1) / d_.hash_block_tokens;
      if (count != needed) {
        bad_field("workload.lengths.name",
                  std::to_string(count) + " hash_ids in " + source_.row_text(row),
                  std::to_string(needed) + ", one for each " +
                      std::to_string(d_.hash_block_tokens) + " tokens of its prompt of " +
                      std::to_string(d_.prompt_tokens[row]));
      }
    }
  }

  void intern(std::size_t rows) {
    const auto ids = static_cast<std::size_t>(d_.hash_offset[rows]);
    node_of_.resize(ids);
    ChainIndex index(ids);
    for (std::size_t row = 0; row < rows; ++row) {
      std::uint32_t parent = ChainIndex::root;
      const auto begin = static_cast<std::size_t>(d_.hash_offset[row]);
      const auto end = static_cast<std::size_t>(d_.hash_offset[row + 1]);
      for (std::size_t i = begin; i < end; ++i) {
        const auto id = static_cast<std::uint64_t>(d_.hash_ids[i]);
        parent = index.find_or_add(parent, id, [](std::uint32_t) { return true; });
        node_of_[i] = parent;
      }
      // First KV block of each hash block.
      for (std::size_t h = first_block_.size(); h <= end - begin; ++h) {
        first_block_.push_back(
            static_cast<std::uint32_t>(static_cast<std::int64_t>(h) * d_.hash_block_tokens / bs_));
      }
    }
    fill_.resize(index.size());
  }

  // Calls f(node, full KV blocks of the prompt in it) along the chain of request r, until it says
  // false.
  template <class F>
  void walk(std::int64_t r, F&& f) const {
    const std::size_t row = source_.row_of(r);
    const auto begin = static_cast<std::size_t>(d_.hash_offset[row]);
    const auto count = static_cast<std::size_t>(d_.hash_offset[row + 1]) - begin;
    const auto blocks =
        static_cast<std::uint32_t>(table_.prompt_tokens[static_cast<std::size_t>(r)] / bs_);
    for (std::size_t h = 0; h < count; ++h) {
      const std::uint32_t from = first_block_[h];
      const std::uint32_t to = std::min(first_block_[h + 1], blocks);
      if (!f(node_of_[begin + h], to > from ? to - from : 0)) return;
    }
  }

  const WorkloadSource& source_;
  const Dataset& d_;
  const RequestTable& table_;
  std::int64_t bs_;
  std::vector<std::uint32_t> node_of_;  // beside hash_ids
  std::vector<std::uint32_t> first_block_;
  std::vector<Fill> fill_;
};

}  // namespace

void add_hash_keys(const WorkloadSource& source, std::int64_t block_size, RequestTable& table) {
  table.keys = HashChains(source, block_size, table).keys();
}

}  // namespace kvsim
