#include "kvsim/step_time/tables.hpp"

#include <string>

#include "check.hpp"
#include "kvsim/core/error.hpp"

using kvsim::Error;
using kvsim::GpuTables;
using kvsim::parse_gpu_tables;

namespace {

// 2 sizes of m, n, k; 1024 ns and 2048 ns for m = 1 and 64, times 2 where n and again where k is
// the larger: words 2048 * (10, 11, 11, 12, 11, 12, 12, 13).
constexpr std::string_view words = "AFAAWABYAGAAWABgAGAAaA==";

std::string text(std::string_view m = "[1,64]", std::string_view log2 = words,
                 std::string_view reduce = "[4000,5000]") {
  std::string table = R"({"m":)" + std::string(m) + R"(,"n":[128,512],"k":[256,1024],"log2_ns":")" +
                      std::string(log2) + "\"}";
  return R"({"format":"kvsim-step-time-1","gpu":"h100","source":"","license":"",)"
         R"("log2_steps_per_octave":2048,"gemm":{"bf16":)" +
         table + R"(,"fp8":)" + table + R"(},"all_reduce":{"bytes":[256,1024],"2":)" +
         std::string(reduce) + R"(,"4":[4000,6000],"8":[4000,7000]}})";
}

}  // namespace

TEST(tables, products_are_bilinear_in_logarithms) {
  const GpuTables t = parse_gpu_tables(text());
  CHECK_EQ(t.gpu, std::string("h100"));
  CHECK_NEAR(t.bf16.times(128, 256)[0], 1024, 1e-9);
  CHECK_NEAR(t.bf16.times(512, 1024)[1], 8192, 1e-8);
  // Half way in the logarithm.
  CHECK_NEAR(t.fp8.times(256, 256)[0], 1024 * 1.4142135623730951, 1e-8);
  CHECK_NEAR(t.fp8.times(256, 512)[0], 2048, 1e-8);
  // Beyond the grid the slope goes on.
  CHECK_NEAR(t.fp8.times(2048, 256)[0], 4096, 1e-8);
  CHECK(t.bf16.covers(512, 256));
  CHECK(!t.bf16.covers(513, 256));
}

TEST(tables, all_reduces_by_gpus) {
  const GpuTables t = parse_gpu_tables(text());
  CHECK_EQ(t.all_reduce_of(4)->ns[1], 6000.0);
  CHECK(t.all_reduce_of(3) == nullptr);
}

TEST(tables, gaps_and_disorder_are_errors) {
  CHECK_THROWS_WITH(parse_gpu_tables(text("[64,1]")), Error, "gemm.bf16.m: got sizes that do not");
  CHECK_THROWS_WITH(parse_gpu_tables(text("[2,64]")), Error, "gemm.bf16.m: got no size 1");
  CHECK_THROWS_WITH(parse_gpu_tables(text("[1,8,64]")), Error, "log2_ns: got 16 bytes");
  CHECK_THROWS_WITH(parse_gpu_tables(text("[1,64]", "A*AA")), Error, "base64");
  CHECK_THROWS_WITH(parse_gpu_tables(text("[1,64]", words, "[4000]")), Error,
                    "all_reduce.2: got 1 times");
  CHECK_THROWS_WITH(parse_gpu_tables(text("[1,64]", words, "[4000,0]")), Error, "integers from 1");
  CHECK_THROWS_WITH(parse_gpu_tables(R"({"format":"other"})"), Error, "format");
  CHECK_THROWS_WITH(parse_gpu_tables("{}"), Error, "step_time_tables.format: got nothing");
  CHECK_THROWS_WITH(parse_gpu_tables("[]"), Error, "an object");
}
