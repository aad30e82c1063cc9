#include "kvsim/theory/memory.hpp"

#include <cstdint>

#include "check.hpp"
#include "kvsim/core/error.hpp"

namespace {

using namespace kvsim::theory;

// 2 (keys, values) * 80 layers * 8 heads * 128 * 2 bytes: Llama-3-70B in 16 bits.
constexpr double bytes_per_token = 2.0 * 80 * 8 * 128 * 2;

TEST(memory, users_of_llama_3_70b) {
  CHECK_EQ(bytes_per_token, 327'680.0);
  CHECK_EQ(users_that_fit(640e9, 141.2e9, 20e9, bytes_per_token, 131'072), 11);
  CHECK_EQ(users_that_fit(320e9, 141.2e9, 20e9, bytes_per_token, 4096), 118);
  CHECK_EQ(users_that_fit(80e9, 35.3e9, 0, bytes_per_token, 4096), 33);
  const double means[] = {512.2, 1044.7, 2570.2};
  const std::int64_t paged[] = {262, 132, 66};
  for (int i = 0; i < 3; ++i) {
    const double slots = 16 * mean_blocks(means[i], 4096, 16);
    CHECK_EQ(users_that_fit(80e9, 35.3e9, 0, bytes_per_token, slots), paged[i]);
  }
}

TEST(memory, waste_of_the_last_block) {
  CHECK_NEAR(cut_exponential_mean(512.2, 4096), 512, 0.1);
  CHECK_NEAR(cut_exponential_mean(1044.7, 4096), 1024, 0.1);
  CHECK_NEAR(cut_exponential_mean(2570.2, 4096), 2048, 0.1);
  CHECK_NEAR(100 * paged_internal_waste(512.2, 4096, 16), 1.546, 0.0005);
  CHECK_NEAR(100 * paged_internal_waste(1044.7, 4096, 16), 0.762, 0.0005);
  CHECK_NEAR(100 * paged_internal_waste(2570.2, 4096, 16), 0.311, 0.0005);
}

TEST(memory, no_room_is_nobody) { CHECK_EQ(users_that_fit(10e9, 12e9, 0, 1e5, 100), 0); }

TEST(memory, senseless_numbers_are_refused) {
  CHECK_THROWS_WITH(mean_blocks(0, 4096, 16), kvsim::Error, "mean_tokens: got 0");
  CHECK_THROWS_WITH(mean_blocks(512, 4096, 0), kvsim::Error, "block_size: got 0");
  CHECK_THROWS_WITH(paged_internal_waste(512, 4097, 16), kvsim::Error,
                    "max_tokens: got 4097; allowed: a multiple of block_size = 16");
  CHECK_THROWS_WITH(users_that_fit(-1, 0, 0, 1e5, 100), kvsim::Error, "memory_bytes: got -1");
  CHECK_THROWS_WITH(users_that_fit(1e9, 0, 0, 0, 100), kvsim::Error, "kv_bytes_per_token: got 0");
  CHECK_THROWS_WITH(users_that_fit(1e300, 0, 0, 1, 1), kvsim::Error, "slots_per_user: got 1");
}

}  // namespace
