// The free piece with the lowest address that is large enough.
#pragma once

#include <string_view>

#include "kvsim/kv/placement/free_list.hpp"

namespace kvsim {

class FirstFit final : public PlacementPolicy {
 public:
  static constexpr std::string_view name = "first_fit";

  explicit FirstFit(std::int64_t slots) : slots_(slots), free_(slots) {}

  [[nodiscard]] std::int64_t largest() const override { return slots_; }

  std::int64_t place(std::int64_t slots) override {
    const auto& pieces = free_.pieces();
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].size >= slots) return free_.cut(i, slots);
    }
    return nowhere;
  }
  void release(std::int64_t at, std::int64_t slots) override { free_.release(at, slots); }

 private:
  std::int64_t slots_;
  FreeList free_;
};

}  // namespace kvsim
