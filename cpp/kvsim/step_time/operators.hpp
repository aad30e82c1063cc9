// The time of single operators, as the step-time model `kernels` has them, to compare with measured
// ones.
#pragma once

#include <string_view>

#include "kvsim/scenario/catalog_types.hpp"

namespace kvsim {

// Sizes of one call, in the order that each operator takes them:
//   product_bf16, product_fp8                m, n, k
//   decode_attention, decode_attention_fp8   sequences, KV heads, tokens of a context (of head
//                                            size 128; 16- and 8-bit cache)
//   context_attention                        sequences, heads, tokens of a prompt (head size 128)
//   all_reduce                               GPUs, bytes of the tensor
struct OperatorSizes {
  double a = 1;
  double b = 1;
  double c = 1;
};

// ns by the fitted formulas. Fails with ErrorKind::config on a name that is not in the list.
[[nodiscard]] double fitted_operator_ns(std::string_view name, const OperatorSizes& sizes,
                                        const GpuSpec& gpu);

}  // namespace kvsim
