// Random numbers for tests: the same on every platform, unlike the standard's distributions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace kvsim_test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : bits_(seed) {}

  // Uniform on low..high, both included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(bits_() % static_cast<std::uint64_t>(high - low + 1));
  }
  // True in `of_100` of a hundred cases.
  bool chance(std::int64_t of_100) { return between(1, 100) <= of_100; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(between(0, static_cast<std::int64_t>(from.size()) - 1))];
  }

 private:
  std::mt19937_64 bits_;
};

}  // namespace kvsim_test
