#pragma once

namespace kvsim {

// The version in pyproject.toml, compiled in.
const char* version();

}  // namespace kvsim
