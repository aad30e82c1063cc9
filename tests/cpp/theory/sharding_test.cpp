#include "kvsim/theory/sharding.hpp"

#include "check.hpp"
#include "kvsim/core/error.hpp"

using kvsim::collectives::Link;
using kvsim::collectives::reduce_scatter_ns;
using kvsim::collectives::ring_all_reduce_ns;
using kvsim::collectives::tree_all_reduce_ns;
using namespace kvsim::theory;

TEST(sharding, all_reduce_of_8_mb_over_8) {
  // No latency: .016 ms at 900 GB/s, .033 at 450, HDR InfiniBand .56, 100 GbE 1.12.
  CHECK_NEAR(ring_all_reduce_ns(8, 8e6, Link{900e9, 0}) * 1e-6, 0.0156, 0.0001);
  CHECK_NEAR(ring_all_reduce_ns(8, 8e6, Link{450e9, 0}) * 1e-6, 0.0311, 0.0001);
  CHECK_NEAR(ring_all_reduce_ns(8, 8e6, Link{25e9, 0}) * 1e-6, 0.56, 1e-9);
  CHECK_NEAR(ring_all_reduce_ns(8, 8e6, Link{12.5e9, 0}) * 1e-6, 1.12, 1e-9);
  CHECK_NEAR(ring_all_reduce_ns(8, 0, Link{1, 500}), 14 * 500, 1e-9);
  CHECK_NEAR(2 * reduce_scatter_ns(8, 8e6, Link{450e9, 500}),
             ring_all_reduce_ns(8, 8e6, Link{450e9, 500}), 1e-9);
  CHECK_NEAR(ring_all_reduce_ns(1, 8e6, Link{450e9, 500}), 0, 0);
}

TEST(sharding, a_tree_has_fewer_hops_and_more_bytes_than_a_ring) {
  const Link link{450e9, 500};
  CHECK_NEAR(tree_all_reduce_ns(8, 0, link), 6 * 500, 1e-9);
  CHECK_NEAR(tree_all_reduce_ns(5, 0, link), 6 * 500, 1e-9);
  CHECK_NEAR(tree_all_reduce_ns(2, 9e6, Link{450e9, 0}), 40e3, 1e-6);
  CHECK(tree_all_reduce_ns(8, 1e3, link) < ring_all_reduce_ns(8, 1e3, link));
  CHECK(tree_all_reduce_ns(8, 1e9, link) > ring_all_reduce_ns(8, 1e9, link));
  CHECK_NEAR(tree_all_reduce_ns(1, 1e9, link), 0, 0);
}

TEST(sharding, prompt_of_1024_tokens_of_70b_over_8) {
  // 50 % of 989.4 TFLOP/s, 450 GB/s a direction, .5 us a hop: 37.2 + 11.6 = 48.8 ms; 2,048: 98 ms.
  const Sizes model{70.55e9, 80, 8192};
  const Prefill p = tensor_parallel_prefill(model, 1024, 8, 0.5 * 989.4e12, Link{450e9, 500});
  CHECK_NEAR(p.compute_ns * 1e-6, 37.2, 0.1);
  CHECK_NEAR(p.comm_ns * 1e-6, 11.6, 0.1);
  CHECK_NEAR(p.total_ns() * 1e-6, 48.8, 0.1);
  const Prefill q = tensor_parallel_prefill(model, 2048, 8, 0.5 * 989.4e12, Link{450e9, 500});
  CHECK_NEAR(q.total_ns() * 1e-6, 98, 1);
  CHECK_THROWS_WITH(tensor_parallel_prefill(model, 1, 8, 1, Link{0, 0}), kvsim::Error,
                    "link.bytes_per_s");
}

TEST(sharding, weight_gather_pays_above) {
  // 855.6 million parameters a layer of Llama-70B: 26,112 tokens in BF16, 13,056 in FP8.
  const double params = 8192.0 * (64 + 16) * 128 + 8192.0 * 8192 + 3 * 8192.0 * 28672;
  CHECK_NEAR(weight_gather_threshold_tokens(2 * params, 8192), 213909504.0 / 8192, 1e-6);
  CHECK_NEAR(weight_gather_threshold_tokens(2 * params, 8192), 26112, 1);
  CHECK_NEAR(weight_gather_threshold_tokens(params, 8192), 13056, 1);
  // At the threshold both move the same bytes.
  const double m = weight_gather_threshold_tokens(2 * params, 8192);
  const Link link{450e9, 0};
  CHECK_NEAR(reduce_scatter_ns(8, 2 * params, link), 2 * ring_all_reduce_ns(8, 2 * m * 8192, link),
             1e-3);
}

TEST(sharding, bubbles) {
  CHECK_NEAR(bubble_fraction(4, 1), 0.75, 0);
  CHECK_NEAR(bubble_fraction(4, 12), 0.2, 0);
  CHECK_NEAR(bubble_fraction(1, 5), 0, 0);
  CHECK_THROWS_WITH(bubble_fraction(0, 1), kvsim::Error, "stages");
  CHECK_NEAR(all_reduce_bisection_bytes(8, 8e6), 14e6, 1e-6);
}
