// Inline GPUs that have the name of a measured one.
#include "check.hpp"
#include "kvsim/scenario/catalog.hpp"
#include "packaged.hpp"

using kvsim::Catalog;
using kvsim::GpuSpec;

TEST(catalog, an_inline_gpu_may_be_another_under_a_known_name) {
  Catalog catalog;
  catalog.add_gpus(kvsim_test::packaged("catalog/gpus.json"));
  GpuSpec gpu = catalog.gpu(std::variant<std::string, GpuSpec>("h100-sxm"), "gpu");
  gpu.node_gpus = 4;
  gpu.memory_bytes *= 2;
  CHECK(!catalog.alters(gpu));  // its kernels take as long
  gpu.hbm_bytes_per_s *= 2;
  CHECK(catalog.alters(gpu));
  gpu.name = "mine";
  CHECK(!catalog.alters(gpu));
}
