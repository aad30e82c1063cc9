// The smallest free piece that is large enough; of equals the one with the lowest address.
#pragma once

#include <string_view>

#include "kvsim/kv/placement/free_list.hpp"

namespace kvsim {

class BestFit final : public PlacementPolicy {
 public:
  static constexpr std::string_view name = "best_fit";

  explicit BestFit(std::int64_t slots) : slots_(slots), free_(slots) {}

  [[nodiscard]] std::int64_t largest() const override { return slots_; }

  std::int64_t place(std::int64_t slots) override {
    const auto& pieces = free_.pieces();
    std::size_t best = pieces.size();
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].size < slots) continue;
      if (best == pieces.size() || pieces[i].size < pieces[best].size) best = i;
    }
    return best == pieces.size() ? nowhere : free_.cut(best, slots);
  }
  void release(std::int64_t at, std::int64_t slots) override { free_.release(at, slots); }

 private:
  std::int64_t slots_;
  FreeList free_;
};

}  // namespace kvsim
