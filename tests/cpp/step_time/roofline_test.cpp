#include "kvsim/step_time/roofline.hpp"

#include <cmath>

#include "check.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/step_time/models.hpp"
#include "step_time/shapes.hpp"

using kvsim::Roofline;
using kvsim::RooflineTime;
using kvsim::StepShape;
using kvsim::StepTimeContext;
using kvsim::Terms;
using kvsim::WeightDtype;
using kvsim_test::context_of;
using kvsim_test::h100;
using kvsim_test::llama_70b;

namespace {

StepShape decodes(std::int64_t seqs, std::int64_t context) {
  StepShape s;
  s.decode_seqs = s.decode_tokens = s.sampled = seqs;
  s.decode_context = context;
  return s;
}

double ms(kvsim::Ns ns) { return static_cast<double>(ns) / 1e6; }

// Mean time between tokens with `concurrency` requests always in flight: a decode step, plus the
// time by which each request's prompt, chunked by the budget, delays the others.
double tpot_ms(const RooflineTime& model, double prompt, double output, std::int64_t concurrency) {
  const auto context =
      static_cast<std::int64_t>(static_cast<double>(concurrency) * (prompt + output / 2));
  const double decode = ms(model.step(decodes(concurrency, context)).total());
  StepShape mixed = decodes(concurrency - 1, context * (concurrency - 1) / concurrency);
  mixed.add_chunk(static_cast<std::int64_t>(prompt), 0);
  ++mixed.sampled;
  const double with_prompt = ms(model.step(mixed).total());
  return decode + static_cast<double>(concurrency) / output * (with_prompt - decode);
}

}  // namespace

TEST(roofline, decode_functor_is_the_step_to_the_bit) {
  const auto dense = llama_70b();
  const auto moe = kvsim_test::mixtral();
  const auto gpu = h100();
  for (const auto* model : {&dense, &moe}) {
    for (const std::int64_t t : {1, 4, 8}) {
      for (const auto dtype : {WeightDtype::bf16, WeightDtype::fp8, WeightDtype::int4}) {
        const RooflineTime time(Roofline{}, context_of(*model, gpu, t, dtype));
        for (const std::int64_t seqs : {1, 2, 63, 64, 65, 200, 256}) {
          const auto decode = time.decode(seqs);
          for (std::int64_t context = seqs; context < 400'000; context = context * 3 + 1) {
            CHECK(decode(context) == time.step(decodes(seqs, context)));
          }
        }
      }
    }
  }
}

TEST(roofline, weights_alone_take_their_bytes_over_the_bandwidth) {
  Roofline p;
  p.hbm_efficiency = 1;
  p.layer_overhead_us = p.host_overhead_us = p.host_overhead_us_per_seq = 0;
  const auto model = llama_70b();
  const auto gpu = h100();
  const RooflineTime time(p, context_of(model, gpu, 1, WeightDtype::bf16));
  const Terms terms = time.decode(1)(1);
  // 70.55e9 parameters, of which the input embedding is not read.
  const double bytes =
      2.0 *
      (80.0 * (8192.0 * (64 + 16) * 128 + 8192.0 * 8192 + 3.0 * 8192 * 28672) + 128256.0 * 8192);
  CHECK_NEAR(ms(terms.hbm_ns), bytes / 3.35e12 * 1e3, 0.03);  // and some activations
  CHECK_EQ(terms.host_ns, 0);
  CHECK_EQ(terms.comm_ns, 0);
}

// Llama-70B FP8 on H100, vLLM, closed loop, lengths uniform in 80 to 100 % of nominal: public
// measurements (AIConfigurator's silicon samples).
TEST(roofline, tpot_of_llama_70b_fp8_on_h100_is_near_the_measured) {
  struct Row {
    std::int64_t gpus, prompt, output, concurrency;
    double tpot_ms;
  };
  const Row rows[] = {
      {2, 1024, 1024, 4, 17.40722},  {2, 1024, 1024, 16, 19.74001}, {2, 1024, 1024, 64, 28.7686},
      {2, 1024, 8192, 16, 22.13028}, {2, 8192, 1024, 8, 25.01371},  {2, 8192, 1024, 16, 34.62534},
      {4, 1024, 1024, 4, 11.77615},  {4, 1024, 1024, 16, 13.19219}, {4, 1024, 1024, 64, 19.5146},
      {4, 1024, 8192, 64, 23.40675}, {4, 8192, 1024, 8, 15.76618},  {4, 8192, 1024, 64, 53.49473},
      {8, 1024, 1024, 4, 9.11389},   {8, 1024, 1024, 16, 11.3917},  {8, 1024, 1024, 64, 15.45499},
      {8, 1024, 8192, 64, 16.48916}, {8, 8192, 1024, 8, 11.58776},  {8, 8192, 1024, 64, 34.48265}};
  auto model = llama_70b();
  const auto gpu = h100();
  double sum = 0;
  for (const Row& row : rows) {
    const RooflineTime time(Roofline{}, context_of(model, gpu, row.gpus, WeightDtype::fp8));
    const double predicted = tpot_ms(time, 0.9 * static_cast<double>(row.prompt),
                                     0.9 * static_cast<double>(row.output), row.concurrency);
    const double error = predicted / row.tpot_ms - 1;
    CHECK_NEAR(error, 0, 0.15);
    sum += std::fabs(error);
  }
  CHECK_NEAR(sum / static_cast<double>(std::size(rows)), 0, 0.06);
}

TEST(roofline, terms_are_not_negative_and_grow_with_work) {
  const auto model = kvsim_test::mixtral();
  const auto gpu = h100();
  Roofline perfect;
  perfect.hbm_efficiency = perfect.kv_efficiency = perfect.gemm_efficiency = 1;
  perfect.layer_overhead_us = 0;
  for (const Roofline& p : {Roofline{}, perfect}) {
    const RooflineTime time(p, context_of(model, gpu, 2, WeightDtype::bf16));
    kvsim::Ns last = 0;
    for (std::int64_t q = 1; q <= 8192; q *= 2) {
      StepShape s = decodes(16, 16'000);
      s.add_chunk(q, 512);
      const Terms terms = time.step(s);
      CHECK(terms.host_ns >= 0 && terms.compute_ns >= 0 && terms.hbm_ns > 0 && terms.comm_ns > 0);
      CHECK(terms.total() >= last);
      last = terms.total();
    }
  }
}

TEST(roofline, few_tokens_touch_few_experts) {
  const auto model = kvsim_test::mixtral();
  const auto gpu = h100();
  Roofline p;
  p.layer_overhead_us = 0;
  const RooflineTime time(p, context_of(model, gpu, 1, WeightDtype::bf16));
  const double one = ms(time.decode(1)(1).hbm_ns);
  const double many = ms(time.decode(64)(64).hbm_ns);
  // 12.9e9 active of 46.7e9 parameters.
  CHECK_NEAR(one, 12.8e9 * 2 / 3.35e12 * 1e3, 0.3);
  CHECK_NEAR(many, 46.6e9 * 2 / 3.35e12 * 1e3, 0.6);
}

TEST(roofline, all_reduce_is_the_ring_formula) {
  Roofline p;
  p.allreduce_overhead_us = 3;
  p.link_latency_us = 0.5;
  p.link_efficiency = 1;
  const auto model = llama_70b();
  const auto gpu = h100();
  const RooflineTime time(p, context_of(model, gpu, 8, WeightDtype::bf16));
  const double bytes = 2.0 * 100 * 8192;
  const double one = 3e3 + 14 * 0.5e3 + 2.0 * 7 / 8 * bytes / 450e9 * 1e9;
  CHECK_NEAR(static_cast<double>(time.decode(100)(100).comm_ns), 160 * one, 1);
}

TEST(roofline, needs_model_gpu_and_a_data_type_of_the_gpu) {
  const auto model = llama_70b();
  auto gpu = h100();
  StepTimeContext c = context_of(model, gpu, 8, WeightDtype::fp8);
  c.model = nullptr;
  CHECK_THROWS_WITH(RooflineTime(Roofline{}, c), kvsim::Error, "model: got null");
  c.model = &model;
  c.gpu = nullptr;
  CHECK_THROWS_WITH(RooflineTime(Roofline{}, c), kvsim::Error, "gpu: got null");
  gpu.name = "a100";
  gpu.flops_fp8.reset();
  gpu.dtypes = {"bf16", "fp16", "int8", "int4"};
  c.gpu = &gpu;
  CHECK_THROWS_WITH(
      RooflineTime(Roofline{}, c), kvsim::Error,
      "weight_dtype: got \"fp8\"; allowed: what gpu \"a100\" computes with: bf16, fp16, "
      "int8, int4 (nearest: int8)");
  c.weight_dtype = WeightDtype::bf16;
  c.tensor_parallel_size = 3;
  CHECK_THROWS_WITH(RooflineTime(Roofline{}, c), kvsim::Error,
                    "tensor_parallel_size: got 3; allowed: 1, 2, 4, 8, 16, 32, 64");
  c.tensor_parallel_size = 16;
  CHECK_THROWS_WITH(RooflineTime(Roofline{}, c), kvsim::Error,
                    "tensor_parallel_size: got 16; allowed: 1 to 8");
}

TEST(roofline, a_step_of_weeks_is_an_error) {
  const auto model = llama_70b();
  auto gpu = h100();
  gpu.hbm_bytes_per_s = 1;
  const RooflineTime time(Roofline{}, context_of(model, gpu, 1, WeightDtype::bf16));
  CHECK_THROWS_WITH(time.decode(1)(1), kvsim::Error, "step_time: got a step that lasts");
}
