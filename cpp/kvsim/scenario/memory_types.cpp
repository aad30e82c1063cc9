#include "kvsim/scenario/memory_types.hpp"

#include <algorithm>
#include <bit>

#include "kvsim/core/time.hpp"

namespace kvsim {

// pow2 as in the vLLM paper (Kwon et al., SOSP 2023, section 6.1): an output of 25 reserves 32.
std::int64_t ContiguousAllocator::slots(std::int64_t prompt_tokens, std::int64_t needed,
                                        std::int64_t max_model_len) const {
  const std::int64_t most =
      max_tokens ? std::min(prompt_tokens + *max_tokens, max_model_len) : max_model_len;
  switch (reservation) {
    case Reservation::max:
      return most;
    case Reservation::oracle:
      return needed;
    case Reservation::pow2: {
      const auto outputs = static_cast<std::uint64_t>(needed - prompt_tokens + 1);
      return std::min(prompt_tokens + static_cast<std::int64_t>(std::bit_ceil(outputs)),
                      max_model_len);
    }
    case Reservation::fraction:
      return needed + round_half_even(fraction * static_cast<double>(most - needed));
  }
  return most;
}

}  // namespace kvsim
