// Random configurations and requests, small enough that hundreds run in a second, and mean: tiny
// pools, budgets and slots that run out, ties, chunks, shared and private keys.
#pragma once

#include <cstdint>
#include <string>

#include "server/replica_run.hpp"

namespace kvsim_test {

// memory: what vLLM does not have, eviction policies, preemption, contiguous allocators.
// drafts: speculation beyond the recordings, laws of acceptance, mtp, drafts that take time.
enum class Flavour { plain, speculation, drafts, batches_in_flight, memory };

ReplicaCase random_case(std::uint64_t seed, Flavour flavour);

// The configuration in a line, to start a search from.
std::string describe(const ReplicaCase& c);

}  // namespace kvsim_test
