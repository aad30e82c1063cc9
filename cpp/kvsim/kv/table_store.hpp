// Block tables of the requests that hold blocks, in one arena with free lists by power of two.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvsim {

class TableStore {
 public:
  using Handle = std::uint32_t;  // offset in the arena

  Handle allocate(std::uint32_t entries) {
    auto& list = free_[size_class(entries)];
    if (!list.empty()) {
      const Handle h = list.back();
      list.pop_back();
      return h;
    }
    const auto h = static_cast<Handle>(arena_.size());
    arena_.resize(arena_.size() + (std::size_t{1} << size_class(entries)));
    return h;
  }
  void release(Handle h, std::uint32_t entries) { free_[size_class(entries)].push_back(h); }
  [[nodiscard]] std::uint32_t* at(Handle h) { return arena_.data() + h; }
  [[nodiscard]] const std::uint32_t* at(Handle h) const { return arena_.data() + h; }

 private:
  static std::size_t size_class(std::uint32_t entries) {
    return static_cast<std::size_t>(std::bit_width(entries | 15U));
  }
  std::vector<std::uint32_t> arena_;
  std::array<std::vector<Handle>, 33> free_;
};

}  // namespace kvsim
