#include "kvsim/core/philox.hpp"

#include <cstdint>
#include <limits>

#include "check.hpp"
#include "kvsim/core/wide.hpp"

using kvsim::Block;
using kvsim::Purpose;
using kvsim::Stream;

namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST(philox, known_answer_of_random123) {
  // Random123 1.14, tests/kat_vectors: philox4x64 10, counter and key 0 and all ones.
  CHECK_EQ(kvsim::philox4x64({0, 0, 0, 0}, {0, 0}),
           (Block{0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b, 0x7e68b68aec7ba23b}));
  CHECK_EQ(kvsim::philox4x64({most, most, most, most}, {most, most}),
           (Block{0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6, 0xa09caebf594f0ba0}));
}

TEST(philox, words_are_those_of_numpy) {
  // numpy.random.Philox(key=[seed, purpose], counter=(entity + (draw << 64) - 1) % 2**256)
  //   .random_raw(4)
  CHECK_EQ(Stream(0, 0).block(1, 0),
           (Block{0x02f4ba6408e4d89b, 0x3dd62b0b9ca8c5b2, 0x1c8667a55d902e79, 0x907d7a052fd5b4dc}));
  CHECK_EQ(Stream(42, Purpose::arrivals).block(5, 3),
           (Block{0x3cfd5e99b2f4d5b0, 0x95035a629c6d3345, 0x83d792604fe5fa7d, 0x07f6601a6bef84aa}));
  CHECK_EQ(Stream(123456789, 7).block(0, 1),
           (Block{0x30bd8feb11f9cdcc, 0x3d6fcc84322b5ce2, 0xe6ebf8985e6a25e9, 0x7095d1d40ecb9af4}));
  CHECK_EQ(Stream(most, Purpose::dataset_order).block(most, std::uint64_t{1} << 63),
           (Block{0xae14aee88bc563ec, 0xda608fbd511c803e, 0x85326909563fefe7, 0x4513d556d78245bc}));
}

TEST(philox, word_is_the_first_of_its_block) {
  const Stream stream(3, Purpose::link);
  CHECK_EQ(stream.word(17, 4), stream.block(17, 4)[0]);
  CHECK_EQ(stream.word(17), stream.block(17, 0)[0]);
}

TEST(philox, purposes_seeds_entities_and_draws_differ) {
  const std::uint64_t word = Stream(1, Purpose::arrivals).word(2, 3);
  CHECK(word != Stream(1, Purpose::service).word(2, 3));
  CHECK(word != Stream(2, Purpose::arrivals).word(2, 3));
  CHECK(word != Stream(1, Purpose::arrivals).word(3, 3));
  CHECK(word != Stream(1, Purpose::arrivals).word(2, 4));
  CHECK(word != Stream(1, Purpose::arrivals).word(3, 2));
}

TEST(wide, both_multiplications_agree) {
  const Stream stream(9, 9);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const Block b = stream.block(i);
    const std::uint64_t x = b[0] >> (b[2] & 63);
    const std::uint64_t y = b[1] >> (b[3] & 63);
    const kvsim::Wide fast = kvsim::multiply_wide(x, y);
    const kvsim::Wide slow = kvsim::multiply_wide_portable(x, y);
    CHECK(fast.high == slow.high && fast.low == slow.low);
  }
  const kvsim::Wide square = kvsim::multiply_wide_portable(most, most);
  CHECK_EQ(square.high, most - 1);
  CHECK_EQ(square.low, 1);
}
