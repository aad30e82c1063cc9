#include "kvsim/step_time/polynomial.hpp"

#include "check.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/step_time/models.hpp"

using kvsim::Ns;
using kvsim::Polynomial;
using kvsim::PolynomialTime;
using kvsim::StepShape;
using kvsim::StepTimeContext;
using kvsim::Terms;

namespace {

StepTimeContext pool(std::int64_t blocks) {
  StepTimeContext c;
  c.num_gpu_blocks = blocks;
  c.block_size = 16;
  return c;
}

Ns decode_ns(double use) {
  const double ms = -25.74 * use * use + 54.01 * use + 5.74;
  return kvsim::round_half_even((ms < 1 ? 1 : ms) * 1e6);
}

Ns prefill_ns(double n) {
  return kvsim::round_half_even((4.209989e-7 * n * n + 1.518344e-2 * n + 16.50142) * 1e6);
}

}  // namespace

TEST(polynomial, decodes_pay_for_the_share_of_the_pool_they_fill) {
  const PolynomialTime time(Polynomial{}, pool(1000));
  StepShape s;
  s.decode_seqs = s.decode_tokens = s.sampled = 4;
  s.decode_context = 4000;
  CHECK_EQ(time.step(s), (Terms{0, 0, decode_ns(0.25), 0}));
  CHECK_EQ(time.decode(4)(4000), time.step(s));
  // At most the whole pool: with shared prefixes contexts may add up to more.
  CHECK_EQ(time.decode(4)(99999).hbm_ns, decode_ns(1));
}

TEST(polynomial, prompts_are_averaged_in_integers) {
  const PolynomialTime time(Polynomial{}, pool(1000));
  StepShape s;
  s.add_chunk(100, 0);
  s.add_prompt(0, 100, 500);
  s.add_chunk(51, 50);
  s.add_prompt(50, 101, 101);
  // c = 2: 2 * (201 div 2 - 50 div 2) = 150, not 151. Nobody decodes.
  CHECK_EQ(time.step(s), (Terms{0, prefill_ns(150), 0, 0}));
}

TEST(polynomial, a_request_with_prompt_tokens_is_no_decode) {
  const PolynomialTime time(Polynomial{}, pool(1000));
  StepShape s;
  // The last prompt token of one request alone, and a plain decode with 800 tokens.
  s.decode_seqs = s.decode_tokens = s.sampled = 2;
  s.decode_context = 300 + 800;
  s.add_prompt(299, 300, 300);
  CHECK_EQ(time.step(s), (Terms{0, prefill_ns(1), decode_ns(0.05), 0}));
}

TEST(polynomial, nothing_costs_nothing) {
  const PolynomialTime time(Polynomial{}, pool(1000));
  CHECK_EQ(time.step(StepShape{}), Terms{});
}

TEST(polynomial, a_decode_lasts_its_least_time) {
  Polynomial p;
  p.decode_ms = -100;
  const PolynomialTime time(p, pool(1000));
  CHECK_EQ(time.decode(1)(10).hbm_ns, 1'000'000);
}

TEST(step_time_models, are_made_by_kind) {
  const auto affine = make_step_time(kvsim::Affine{}, pool(10));
  CHECK(std::holds_alternative<kvsim::AffineTime>(affine));
  const auto polynomial = make_step_time(Polynomial{}, pool(10));
  CHECK(std::holds_alternative<PolynomialTime>(polynomial));
  CHECK_THROWS_WITH(make_step_time(kvsim::Roofline{}, pool(10)), kvsim::Error, "model: got null");
}
