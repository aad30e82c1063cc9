// Measured operators of a GPU: times of matrix products and all-reduces, as the host hands them
// over (python/kvsim/data/step_time, written by tools/build_step_tables.py).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

// Times over sizes m (rows: tokens), n (columns) and k (depth) of a product.
struct GemmTable {
  std::vector<double> m, n, k;
  std::vector<double> log_n, log_k;
  std::vector<double> log_ns;  // [m][n][k]

  // ns for each of `m`: bilinear in (log n, log k) of log t; beyond the grid the edge's slope goes
  // on.
  [[nodiscard]] std::vector<double> times(double n_size, double k_size) const;
  [[nodiscard]] bool covers(double n_size, double k_size) const {
    return n_size >= n.front() && n_size <= n.back() && k_size >= k.front() && k_size <= k.back();
  }
};

struct AllReduceTable {
  std::int64_t gpus = 0;
  std::vector<double> bytes;  // of the reduced tensor
  std::vector<double> ns;
};

struct GpuTables {
  std::string gpu;
  GemmTable bf16;
  GemmTable fp8;
  std::vector<AllReduceTable> all_reduce;

  [[nodiscard]] const AllReduceTable* all_reduce_of(std::int64_t gpus) const;
};

// Fails with ErrorKind::config, naming the member, on another format, sizes that do not grow, gaps.
GpuTables parse_gpu_tables(std::string_view json_text);

}  // namespace kvsim
