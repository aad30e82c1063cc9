// What an eviction policy of the prefix cache is: it is told of every block that becomes evictable
// or is hit, and names the next one to evict. One file a policy, policies.hpp lists them.
//
// A policy knows a block from its first release to its eviction. In between the block is either
// free (evictable) or in use by requests that hit it. A request's blocks are released from the
// tail to the head, and only then does a policy hear of them: so a policy that goes by order of
// insertion breaks chains from their tails, as it should, since a block is of use only with all
// blocks before it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvsim {

struct RequestTable;

// What a policy may know before the run.
struct EvictionSetup {
  std::int64_t num_blocks = 0;  // ids of blocks are below
  std::int64_t block_size = 0;
  std::uint64_t seed = 0;
  // What it costs to compute a block's tokens anew, relative to one without context, is
  // 1 + attention_per_block * (blocks before it + .5).
  double attention_per_block = 0;
  const RequestTable* requests = nullptr;  // for an oracle
};

// A block that became evictable.
struct Released {
  static constexpr std::uint64_t nothing = ~std::uint64_t{0};
  std::uint64_t content;  // equal for equal content; `nothing`: it will never be asked for
  std::uint32_t block;
  std::uint32_t position;  // blocks before it in its chain
};
// What holds for all blocks of a call.
struct Release {
  bool fresh;   // for the first time since they were given up
  bool wanted;  // their request was preempted and will ask for them again
};

class EvictionPolicy {
 public:
  using BlockId = std::uint32_t;

  EvictionPolicy() = default;
  EvictionPolicy(const EvictionPolicy&) = delete;
  EvictionPolicy& operator=(const EvictionPolicy&) = delete;
  virtual ~EvictionPolicy() = default;

  // No request uses these blocks of a request any more.
  virtual void release_all(const Released* blocks, std::size_t n, Release how) = 0;
  // A request found the block; if it was free it is in use from now on.
  virtual void hit(BlockId block, bool was_free) = 0;
  // Chooses n of the free blocks, of which there are as many, one after the other; they are
  // forgotten.
  virtual void evict_all(std::size_t n, BlockId* out) = 0;
  // Nobody will ask any more for what this block holds, free or in use.
  virtual void forget(BlockId /*block*/) {}
  // The request has been admitted; lookups of later ones are still to come.
  virtual void admitted(std::uint32_t /*request*/) {}
};

// A policy that says what it does with one block: `void release(const Released&, Release)` and
// `BlockId evict()`. The indirect call is one for all blocks of a request.
template <class Policy>
class EvictionByBlock : public EvictionPolicy {
 public:
  void release_all(const Released* blocks, std::size_t n, Release how) final {
    for (std::size_t i = 0; i < n; ++i) policy().release(blocks[i], how);
  }
  void evict_all(std::size_t n, BlockId* out) final {
    for (std::size_t i = 0; i < n; ++i) out[i] = policy().evict();
  }

 private:
  Policy& policy() { return static_cast<Policy&>(*this); }
};

}  // namespace kvsim
