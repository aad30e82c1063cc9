// SHA-256 (FIPS 180-4), for the names of runs in a store: threads hash as they simulate, without
// Python. Not for secrets.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace kvsim::runner {

using Digest = std::array<std::uint8_t, 32>;

[[nodiscard]] Digest sha256(std::string_view text);

}  // namespace kvsim::runner
