#include "kvsim/step_time/kernels.hpp"

#include <string>

#include "check.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/step_time/models.hpp"
#include "kvsim/step_time/tables.hpp"
#include "packaged.hpp"
#include "step_time/shapes.hpp"

using namespace kvsim;
using kvsim_test::context_of;
using kvsim_test::llama_70b;
using kvsim_test::mixtral;

namespace {

GpuSpec h100_sxm() {
  GpuSpec g = kvsim_test::h100();
  g.name = "h100-sxm";
  g.dtypes = {};
  return g;
}

StepShape decodes(std::int64_t seqs, std::int64_t context) {
  StepShape s;
  s.decode_seqs = s.decode_tokens = s.sampled = seqs;
  s.decode_context = context;
  return s;
}

StepShape prompt(std::int64_t tokens) {
  StepShape s;
  s.add_chunk(tokens, 0);
  s.add_prompt(0, tokens, tokens);
  s.sampled = 1;
  return s;
}

double ms(const Terms& t) { return static_cast<double>(t.total()) * 1e-6; }

struct Case {
  ModelSpec model = llama_70b();
  GpuSpec gpu = h100_sxm();
  std::int64_t t = 8;
  WeightDtype dtype = WeightDtype::fp8;
  Kernels kernels = {};
  bool tables = true;
  std::int64_t stages = 1;
  bool async = true;
  [[nodiscard]] KernelTime time() const {
    StepTimeContext c = context_of(model, gpu, t, dtype);
    c.pipeline_parallel_size = stages;
    c.async_scheduling = async;
    static const GpuTables measured =
        parse_gpu_tables(kvsim_test::packaged("step_time/h100-sxm.json"));
    if (tables) c.tables = &measured;
    return KernelTime(kernels, c);
  }
};

}  // namespace

TEST(kernels, prompt_of_1024_tokens_of_70b_over_8_h100) {
  // The reference study's model: a step of 47.0 ms in BF16, less in FP8.
  Case c;
  c.dtype = WeightDtype::bf16;
  CHECK_NEAR(ms(c.time().step(prompt(1024))), 47.0, 1.5);
  c.dtype = WeightDtype::fp8;
  const double fp8 = ms(c.time().step(prompt(1024)));
  CHECK(fp8 < 42.0);
  CHECK(fp8 > 36.0);
}

TEST(kernels, decode_equals_step) {
  for (const bool tables : {true, false}) {
    Case c;
    c.tables = tables;
    const KernelTime time = c.time();
    for (const std::int64_t seqs : {1, 3, 4, 17, 64, 200, 256, 300, 600}) {
      for (const std::int64_t context : {seqs, 1000 * seqs}) {
        CHECK_EQ(time.decode(seqs)(context), time.step(decodes(seqs, context)));
      }
    }
    CHECK_EQ(time.step(StepShape{}), Terms{});
  }
}

TEST(kernels, terms_are_what_they_say) {
  const Case c;
  const KernelTime time = c.time();
  const Terms one = time.step(decodes(1, 1));
  // 1/8 of 68.45e9 bytes in FP8 and of the 16-bit head at 3.35 TB/s.
  CHECK_NEAR(static_cast<double>(one.hbm_ns), (68.45e9 + 2.1e9) / 8 / 3.35e12 * 1e9, 0.02e6);
  CHECK_EQ(one.host_ns, 1'200'000 + 25'000);
  CHECK_NEAR(static_cast<double>(one.comm_ns), 160 * 5205.0, 160 * 1000.0);
  CHECK(one.compute_ns > 0);
  // A token of context: 40,960 bytes.
  const Terms more = time.step(decodes(1, 1'000'001));
  CHECK_NEAR(static_cast<double>(more.hbm_ns - one.hbm_ns), 40960e6 / 3.35e12 * 1e9, 2);
}

TEST(kernels, more_work_never_takes_less) {
  for (const WeightDtype dtype : {WeightDtype::bf16, WeightDtype::fp8, WeightDtype::int4}) {
    Case c;
    c.dtype = dtype;
    c.t = 4;
    const KernelTime time = c.time();
    Ns before = 0;
    for (std::int64_t m = 1; m <= 9000; m += m < 600 ? 1 : 97) {
      const Ns now = time.decode(m)(m).total();
      CHECK(now >= before);
      before = now;
    }
  }
}

TEST(kernels, graphs_pad_small_steps) {
  Case c;
  const auto compute = [](const KernelTime& t, std::int64_t m) {
    StepShape s = prompt(m);
    s.chunks = 0;  // nothing but the products
    s.sampled = 0;
    return t.step(s).hbm_ns;
  };
  const KernelTime padded = c.time();
  CHECK_EQ(compute(padded, 9), compute(padded, 16));
  CHECK_EQ(compute(padded, 257), compute(padded, 272));
  CHECK_EQ(compute(padded, 3), compute(padded, 4));
  CHECK(compute(padded, 513) > compute(padded, 512));
  CHECK(compute(padded, 514) > compute(padded, 513));
  c.kernels.cuda_graph_max_tokens = 0;
  CHECK(compute(c.time(), 16) > compute(c.time(), 9));
  c.kernels.cuda_graph_max_tokens = 12;  // graphs of 1, 2, 4, 8
  CHECK(compute(c.time(), 10) > compute(c.time(), 9));
  CHECK_EQ(compute(c.time(), 7), compute(c.time(), 8));
}

TEST(kernels, chunks_read_what_lies_before_them) {
  const KernelTime time = Case{}.time();
  StepShape late;
  late.add_chunk(512, 7680);
  StepShape early;
  early.add_chunk(512, 0);
  CHECK(time.step(late).total() > time.step(early).total());
  // Two chunks of one step in any order, one launch.
  StepShape both;
  both.add_chunk(512, 0);
  both.add_chunk(512, 7680);
  CHECK(time.step(both).total() < time.step(late).total() + time.step(early).total());
}

TEST(kernels, caches_of_8_bits_read_half_but_convert) {
  Case c;
  const auto slope = [&c](KvCacheDtype dtype) {
    StepTimeContext context = context_of(c.model, c.gpu, 8, WeightDtype::fp8);
    context.kv_cache_dtype = dtype;
    const KernelTime time(c.kernels, context);
    return static_cast<double>(time.decode(8)(10'000'000).total() - time.decode(8)(0).total());
  };
  const double ratio = slope(KvCacheDtype::fp8) / slope(KvCacheDtype::bf16);
  CHECK_NEAR(ratio, 0.5 * 0.9192 * 3.35e12 / (2.745e-3 * 989.4e12), 1e-3);
}

TEST(kernels, synchronous_scheduling_costs_host_time) {
  Case c;
  const Ns async = c.time().decode(64)(64).host_ns;
  c.async = false;
  CHECK_EQ(c.time().decode(64)(64).host_ns - async, 64 * 22'000);
  c.kernels.host_us = 0;
  c.kernels.host_us_per_seq = 1;
  CHECK_EQ(c.time().decode(64)(64).host_ns, 64'000);
}

TEST(kernels, calibration_and_warnings) {
  Case c;
  CHECK_EQ(c.time().trust().calibration, Calibration::table);
  CHECK_EQ(c.time().warnings().size(), 0);
  c.kernels.tables = OperatorTables::fitted;
  CHECK_EQ(c.time().trust().calibration, Calibration::fitted);
  c.kernels.tables = OperatorTables::automatic;
  c.tables = false;
  c.gpu.name = "other";
  CHECK_EQ(c.time().trust().calibration, Calibration::spec_sheet);
  CHECK_EQ(c.time().warnings().size(), 1);
  c.model = mixtral();
  CHECK_EQ(c.time().warnings().size(), 2);
  CHECK_EQ(calibration_name(Calibration::spec_sheet), std::string_view("spec_sheet"));
  const StepTimeModel model = c.time();
  CHECK_EQ(step_time_warnings(model).size(), 2);
}

TEST(kernels, residuals_are_those_of_the_class) {
  Case c;
  CHECK_EQ(c.time().trust().residuals->name, "table");
  c.kernels.tables = OperatorTables::fitted;
  CHECK_EQ(c.time().trust().residuals->name, "fitted");
  c.tables = false;
  c.gpu.name = "other";
  CHECK_EQ(c.time().trust().residuals->name, "spec_sheet");
  c.model = mixtral();
  CHECK_EQ(c.time().trust().residuals->name, "experts");
  c.model = llama_70b();
  c.dtype = WeightDtype::int4;
  CHECK(c.time().trust().residuals == nullptr);  // nothing of the kind was measured
  CHECK_EQ(step_time_trust(AffineTime(Affine{}, {})).calibration, Calibration::given);
}

TEST(kernels, what_is_extrapolated_is_named) {
  const auto warned = [](StepTimeContext c, std::string_view what) {
    const GpuTables tables = parse_gpu_tables(kvsim_test::packaged("step_time/h100-sxm.json"));
    c.tables = &tables;
    const auto warnings = KernelTime(Kernels{}, c).warnings();
    return what.empty() ? warnings.empty()
                        : warnings.size() == 1 && warnings[0].find(what) != std::string::npos;
  };
  ModelSpec model = llama_70b();
  const GpuSpec gpu = h100_sxm();
  StepTimeContext c = context_of(model, gpu, 8, WeightDtype::fp8);
  c.max_num_batched_tokens = 16384;
  c.max_num_seqs = 1024;
  c.longest_context = 131072;
  c.most_requests = 512;
  CHECK(warned(c, ""));
  StepTimeContext d = c;
  d.max_num_batched_tokens = 16385;
  CHECK(warned(d, "16384 tokens a step; the budget is 16385"));
  d = c;
  d.longest_context = 131073;
  CHECK(warned(d, "contexts of 131072 tokens; the longest request has 131073"));
  d = c;
  d.most_requests = 513;
  CHECK(warned(d, "512 decodes a step"));
  d = c;
  d.pipeline_parallel_size = 2;
  d.tensor_parallel_size = 4;
  CHECK(warned(d, "no run with pipeline stages was measured"));
  model.head_dim = 64;
  CHECK(warned(c, "head_dim of 128; llama-70b has 64"));
}

TEST(kernels, tables_and_formulas_are_near_each_other) {
  for (const WeightDtype dtype : {WeightDtype::bf16, WeightDtype::fp8}) {
    Case c;
    c.dtype = dtype;
    c.kernels.host_us = 0;
    const KernelTime table = c.time();
    c.kernels.tables = OperatorTables::fitted;
    const KernelTime formula = c.time();
    for (const std::int64_t m : {1, 16, 64, 256}) {
      const double a = ms(table.decode(m)(1000 * m));
      CHECK_NEAR(ms(formula.decode(m)(1000 * m)) / a, 1, 0.15);
    }
    CHECK_NEAR(ms(formula.step(prompt(4096))) / ms(table.step(prompt(4096))), 1, 0.15);
  }
}

TEST(kernels, four_bit_weights) {
  Case c;
  c.t = 1;
  c.kernels.host_us = 0;
  c.dtype = WeightDtype::int4;
  const double int4 = ms(c.time().decode(1)(1));
  c.dtype = WeightDtype::fp8;
  const double fp8 = ms(c.time().decode(1)(1));
  c.dtype = WeightDtype::bf16;
  CHECK(int4 < 0.7 * fp8);
  CHECK(fp8 < 0.7 * ms(c.time().decode(1)(1)));
  // Arithmetic in 16 bits, after unpacking.
  const double bf16_prompt = ms(c.time().step(prompt(8192)));
  c.dtype = WeightDtype::int4;
  CHECK(ms(c.time().step(prompt(8192))) > bf16_prompt);
}

TEST(kernels, experts_are_read_as_tokens_touch_them) {
  Case c;
  c.model = mixtral();
  c.t = 1;
  c.dtype = WeightDtype::bf16;
  c.kernels.cuda_graph_max_tokens = 0;
  const KernelTime time = c.time();
  const auto hbm = [&](std::int64_t m) { return static_cast<double>(time.decode(m)(0).hbm_ns); };
  const double expert = 32 * 3 * 4096.0 * 14336 * 2 / 3.35e12 * 1e9;
  CHECK_NEAR(hbm(2) - hbm(1), 8 * (0.25 * 0.75) * expert, 0.05 * expert);
  CHECK_NEAR(hbm(64) - hbm(1), 6 * expert, 0.1 * expert);
}

TEST(kernels, ring_and_tree_follow_the_closed_forms) {
  Case c;
  c.kernels.link_efficiency = 1;
  c.kernels.all_reduce = AllReduceKind::ring;
  const double bytes = 2.0 * 1024 * 8192;
  const collectives::Link link{450e9, 500};
  CHECK_NEAR(static_cast<double>(c.time().step(prompt(1024)).comm_ns),
             160 * collectives::ring_all_reduce_ns(8, bytes, link), 2);
  CHECK_NEAR(static_cast<double>(c.time().step(prompt(1024)).comm_ns) * 1e-6, 11.6, 0.1);
  c.kernels.all_reduce = AllReduceKind::tree;
  CHECK_NEAR(static_cast<double>(c.time().step(prompt(1024)).comm_ns),
             160 * collectives::tree_all_reduce_ns(8, bytes, link), 2);
  c.kernels.link_gb_per_s = 64;  // PCIe
  CHECK(c.time().step(prompt(1024)).comm_ns > 5 * 11'600'000);
}

TEST(kernels, weight_gather_pays_above_its_threshold) {
  const auto comm = [](TensorParallelForm form, std::int64_t tokens) {
    Case c;
    c.dtype = WeightDtype::bf16;
    c.kernels.all_reduce = AllReduceKind::ring;
    c.kernels.link_latency_us = 0;
    c.kernels.tensor_parallel_form = form;
    if (form == TensorParallelForm::weight_gather) c.kernels.weight_gather_min_tokens = 0;
    return c.time().step(prompt(tokens)).comm_ns;
  };
  const auto reduce = TensorParallelForm::all_reduce;
  const auto gather = TensorParallelForm::weight_gather;
  CHECK_EQ(comm(gather, 1000), comm(gather, 30000));
  CHECK(comm(gather, 25900) > comm(reduce, 25900));
  CHECK(comm(gather, 26300) < comm(reduce, 26300));
}

TEST(kernels, weights_are_gathered_in_steps_of_enough_tokens) {
  Case c;
  const KernelTime reduce = c.time();
  c.kernels.tensor_parallel_form = TensorParallelForm::weight_gather;
  CHECK(c.time().warnings().back().find("tokens or more") != std::string::npos);
  // Above 13,056 tokens in FP8, by the closed form.
  const KernelTime chosen = c.time();
  c.kernels.weight_gather_min_tokens = 0;
  const KernelTime gather = c.time();
  for (const std::int64_t m : {1, 512, 13'055, 13'056, 20'000}) {
    const KernelTime& expected = m < 13'056 ? reduce : gather;
    CHECK_EQ(chosen.step(prompt(m)), expected.step(prompt(m)));
    CHECK_EQ(chosen.bisection_ns(m), expected.bisection_ns(m));
  }
  CHECK(gather.step(prompt(512)).comm_ns > reduce.step(prompt(512)).comm_ns);
  c.kernels.tensor_parallel_form = TensorParallelForm::all_reduce;
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "step_time.weight_gather_min_tokens");
}

TEST(kernels, pcie_instead_of_nvlink) {
  Case c;
  c.kernels.all_reduce = AllReduceKind::ring;
  c.kernels.link_gb_per_s = c.gpu.pcie_bytes_per_s * 1e-9;
  const Terms given = c.time().step(prompt(1024));
  c.kernels.link = LinkKind::pcie;
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "step_time.link_gb_per_s");
  c.kernels.link_gb_per_s.reset();
  CHECK_EQ(c.time().step(prompt(1024)), given);
  c.kernels.all_reduce = AllReduceKind::automatic;  // the table was measured on NVLink
  const Ns pcie = c.time().step(prompt(8192)).comm_ns;
  c.kernels.link = LinkKind::automatic;
  CHECK(pcie > 4 * c.time().step(prompt(8192)).comm_ns);
}

TEST(kernels, other_links_have_neither_a_table_nor_a_band) {
  Case c;
  c.kernels.link = LinkKind::pcie;
  CHECK(c.time().trust().residuals == nullptr);
  CHECK(c.time().warnings().back().find("other links than NVLink") != std::string::npos);
  c.kernels.all_reduce = AllReduceKind::table;
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "step_time.link says another");
  c.kernels.link = LinkKind::automatic;
  CHECK(c.time().trust().residuals != nullptr);
  c.kernels.link_gb_per_s = 100;
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "step_time.link_gb_per_s says another");
  // One GPU has no all-reduces.
  c.t = 1;
  CHECK(c.time().trust().residuals != nullptr);
  CHECK_EQ(c.time().warnings().size(), 0);
}

TEST(kernels, bisection) {
  // Two all-reduces a layer of 2 m h bytes, 2 (N-1)/N of each through a link of 4 that cross.
  Case c;
  c.kernels.cuda_graph_max_tokens = 0;
  const double tensor = 2.0 * 1000 * 8192;
  const double ring = 160 * 1.75 * tensor / (4 * 450e9) * 1e9;
  CHECK_NEAR(c.time().bisection_ns(1000), ring, 1e-6 * ring);
  c.kernels.tensor_parallel_form = TensorParallelForm::sequence_parallel;
  CHECK_NEAR(c.time().bisection_ns(1000), ring, 1e-6 * ring);
  c.kernels.tensor_parallel_form = TensorParallelForm::all_reduce;
  c.kernels.all_reduce = AllReduceKind::tree;
  CHECK_NEAR(c.time().bisection_ns(1000), ring / 1.75, 1e-6 * ring);
  // Padded to a graph; no links on one GPU; one link between two nodes.
  c = Case{};
  CHECK_NEAR(c.time().bisection_ns(9), 0.016 * ring, 1e-6 * ring);
  c.t = 1;
  CHECK_NEAR(c.time().bisection_ns(1000), 0, 0);
  c.t = 16;
  c.kernels.node_link_gb_per_s = 50;
  CHECK_NEAR(c.time().bisection_ns(1000), 160 * 1.875 * tensor / 50e9 * 1e9, 1);
  // No step uses more than there is.
  for (const std::int64_t m : {1, 100, 8192}) {
    CHECK(c.time().bisection_ns(m) < static_cast<double>(c.time().step(prompt(m)).total()));
  }
}

TEST(kernels, sequence_parallel_moves_the_same_and_computes_less) {
  Case c;
  const Terms reduce = c.time().step(prompt(4096));
  c.kernels.tensor_parallel_form = TensorParallelForm::sequence_parallel;
  const Terms split = c.time().step(prompt(4096));
  CHECK(split.hbm_ns < reduce.hbm_ns);
  CHECK_NEAR(static_cast<double>(split.comm_ns - reduce.comm_ns), 160 * 4252.0, 1);
}

TEST(kernels, stages_send_activations) {
  Case c;
  c.t = 4;
  const Ns one = c.time().step(prompt(1024)).comm_ns;
  c.stages = 2;
  const double bytes = 2.0 * 1024 * 8192;
  CHECK_NEAR(static_cast<double>(c.time().step(prompt(1024)).comm_ns - one),
             4252 + bytes / (0.6639 * 450e9) * 1e9, 2);
  CHECK_EQ(c.time().step(prompt(1024)).host_ns, 2 * 1'225'000);
  // 4 x 4 GPUs are two nodes: one of three transfers crosses.
  c.stages = 4;
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "step_time.node_link_gb_per_s");
  c.kernels.node_link_gb_per_s = 50;
  CHECK_NEAR(static_cast<double>(c.time().step(prompt(1024)).comm_ns - one),
             2 * (4252 + bytes / (0.6639 * 450e9) * 1e9) + 5000 + bytes / (0.6639 * 50e9) * 1e9, 2);
}

TEST(kernels, tensor_parallel_over_nodes_is_as_slow_as_their_link) {
  Case c;
  c.t = 16;
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "tensor_parallel_size");
  c.kernels.node_link_gb_per_s = 50;
  const Ns slow = c.time().step(prompt(4096)).comm_ns;
  c.kernels.node_link_gb_per_s = 450;
  CHECK(slow > 6 * c.time().step(prompt(4096)).comm_ns);
  CHECK(c.time().trust().residuals == nullptr);
  // Two nodes: there and back on each of 160 all-reduces.
  const Ns near = c.time().step(prompt(1)).comm_ns;
  c.kernels.node_link_latency_us += 1;
  CHECK_NEAR(static_cast<double>(c.time().step(prompt(1)).comm_ns - near), 160 * 2000, 1);
}

TEST(kernels, nodes_of_other_sizes) {
  Case c;
  c.t = 4;
  c.stages = 2;
  c.kernels.node_link_gb_per_s = 50;
  const Ns one_node = c.time().step(prompt(1024)).comm_ns;
  c.kernels.node_gpus = 4;
  const Ns two_nodes = c.time().step(prompt(1024)).comm_ns;
  CHECK(two_nodes > one_node);
  c.gpu.node_gpus = 4;
  c.kernels.node_gpus.reset();
  CHECK_EQ(c.time().step(prompt(1024)).comm_ns, two_nodes);
  c.kernels.node_link_gb_per_s.reset();
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "at most 4, the GPUs of a node");
  c.kernels.node_gpus = 8;
  CHECK_EQ(c.time().step(prompt(1024)).comm_ns, one_node);
}

TEST(kernels, what_does_not_fit_is_an_error) {
  Case c;
  c.gpu.flops_fp8.reset();
  c.gpu.dtypes = {"bf16", "fp16", "int8"};
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "nearest: int8");
  c = Case{};
  c.t = 3;
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "tensor_parallel_size");
  c = Case{};
  c.stages = 3;
  c.t = 2;
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "a divisor of 80");
  c = Case{};
  c.kernels.tables = OperatorTables::measured;
  c.tables = false;
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "step_time.tables");
  c = Case{};
  c.tables = false;
  c.kernels.all_reduce = AllReduceKind::table;
  CHECK_THROWS_WITH(static_cast<void>(c.time()), Error, "step_time.all_reduce");
  CHECK_THROWS_WITH(KernelTime(Kernels{}, StepTimeContext{}), Error, "model: got null");
}
