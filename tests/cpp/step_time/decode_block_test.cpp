#include "kvsim/step_time/decode_block.hpp"

#include <cstddef>
#include <cstdint>

#include "check.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/step_time/models.hpp"
#include "step_time/shapes.hpp"

using kvsim::DecodeBlock;
using kvsim::Ns;
using kvsim::Terms;

namespace {

// Blocks of steps from many contexts on, against the steps one by one.
template <class Model>
void same_as_single_steps(const Model& model) {
  for (const std::int64_t seqs : {1, 2, 63, 200}) {
    const auto decode = model.decode(seqs);
    DecodeBlock block(decode, seqs);
    for (std::int64_t context = seqs; context < 400'000; context = context * 3 + 1) {
      const std::size_t known = block.fill(context);
      REQUIRE(known >= 1);
      Terms sum;
      Ns total = 0, hbm = 0;
      for (std::size_t i = 0; i < known; ++i) {
        const Terms terms = decode(context + static_cast<std::int64_t>(i) * seqs);
        CHECK_EQ(block.durations()[i], terms.total());
        sum += terms;
        total += block.durations()[i];
        hbm += block.hbm()[i];
      }
      CHECK(block.sum(static_cast<std::int64_t>(known), total, hbm) == sum);
    }
  }
}

}  // namespace

TEST(decode_block, the_same_bits_as_step_by_step) {
  const auto model = kvsim_test::llama_70b();
  const auto gpu = kvsim_test::h100();
  const auto context = kvsim_test::context_of(model, gpu, 8, kvsim::WeightDtype::fp8);
  same_as_single_steps(kvsim::RooflineTime(kvsim::Roofline{}, context));
  same_as_single_steps(kvsim::AffineTime({1e6, 333.3, 7.77}, context));
  same_as_single_steps(kvsim::KernelTime(kvsim::Kernels{}, context));
  kvsim::StepTimeContext pool;
  pool.num_gpu_blocks = 10'000;
  pool.block_size = 16;
  same_as_single_steps(kvsim::PolynomialTime({}, pool));
}

// A step that is too long is an error when it is reached, not when a block looks ahead.
TEST(decode_block, a_step_of_weeks_is_an_error_at_its_turn) {
  constexpr double ns_per_token = 0x1p40;
  const kvsim::AffineTime time({0, 0, ns_per_token}, {});
  const auto decode = time.decode(1);
  DecodeBlock block(decode, 1);
  for (std::int64_t context = 2046; context <= 2048; ++context) {
    CHECK_EQ(block.fill(context), 1);
    CHECK_EQ(block.durations()[0], context << 40);
  }
  CHECK_THROWS_WITH(block.fill(2049), kvsim::Error, "step_time: got a step that lasts");
}
