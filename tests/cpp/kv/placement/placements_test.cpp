#include "kvsim/kv/placement/placements.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "check.hpp"
#include "random.hpp"

namespace {

using kvsim::Placement;
using kvsim::PlacementPolicy;
using kvsim_test::Random;
using Make = std::function<std::unique_ptr<PlacementPolicy>(std::int64_t)>;

struct Piece {
  std::int64_t at;
  std::int64_t slots;
};

// What every placement must do, asked of it by random use; the first rule that it breaks.
std::string broken_rule(const Make& make, std::uint64_t seed) {
  Random random(seed);
  const std::int64_t total = random.between(1, 3000);
  const auto placement = make(total);
  const std::int64_t largest = placement->largest();
  if (largest < 1 || largest > total) return "the largest piece is none of the memory";
  std::vector<bool> used(static_cast<std::size_t>(total));
  std::vector<Piece> pieces;
  const auto mark = [&](const Piece& piece, bool use) {
    for (std::int64_t i = piece.at; i < piece.at + placement->rounded(piece.slots); ++i) {
      if (i < 0 || i >= total) return false;
      if (used[static_cast<std::size_t>(i)] == use) return false;
      used[static_cast<std::size_t>(i)] = use;
    }
    return true;
  };
  const auto release = [&](std::size_t i) {
    placement->release(pieces[i].at, pieces[i].slots);
    const bool fine = mark(pieces[i], false);
    pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(i));
    return fine;
  };
  for (int i = 0; i < 400; ++i) {
    if (!pieces.empty() && random.chance(45)) {
      if (!release(static_cast<std::size_t>(
              random.between(0, static_cast<std::int64_t>(pieces.size()) - 1)))) {
        return "what is given back was not taken";
      }
      continue;
    }
    const std::int64_t slots = random.between(1, std::max<std::int64_t>(1, largest / 4));
    const std::int64_t at = placement->place(slots);
    if (at == PlacementPolicy::nowhere) {
      if (pieces.empty()) return "an empty memory has no room";
      continue;
    }
    if (placement->rounded(slots) < slots) return "a piece is too small";
    pieces.push_back({at, slots});
    if (!mark(pieces.back(), true)) return "a piece is another one's, or outside";
  }
  while (!pieces.empty()) {
    if (!release(0)) return "what is given back was not taken";
  }
  return placement->place(largest) == PlacementPolicy::nowhere ? "memory is lost" : "";
}

TEST(placement, every_placement_keeps_the_rules) {
  for (const auto& [which, name] : kvsim::EnumNames<Placement>::values) {
    const auto make = [which = which](std::int64_t slots) {
      return kvsim::make_placement(which, slots);
    };
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      CHECK_EQ(std::string(name) + ": " + broken_rule(make, seed), std::string(name) + ": ");
    }
  }
}

// Wrong on purpose.
class Leaks : public kvsim::PlacementPolicy {
 public:
  explicit Leaks(std::int64_t slots) : slots_(slots), inner_(slots) {}
  [[nodiscard]] std::int64_t largest() const override { return slots_; }
  std::int64_t place(std::int64_t slots) override { return inner_.place(slots); }
  void release(std::int64_t at, std::int64_t slots) override {
    if (at % 5 != 3) inner_.release(at, slots);
  }

 private:
  std::int64_t slots_;
  kvsim::FirstFit inner_;
};
class Overlaps : public Leaks {
 public:
  using Leaks::Leaks;
  std::int64_t place(std::int64_t slots) override { return slots < largest() / 8 ? 0 : nowhere; }
};
// Gives a piece back again when the next one comes back, whoever has it by then.
class FreesTwice : public PlacementPolicy {
 public:
  explicit FreesTwice(std::int64_t slots) : buddies_(slots) {}
  void release(std::int64_t at, std::int64_t slots) override {
    if (last_.slots > 0) buddies_.release(last_.at, last_.slots);
    buddies_.release(at, slots);
    last_ = {at, slots};
  }
  std::int64_t place(std::int64_t slots) override { return buddies_.place(slots); }
  [[nodiscard]] std::int64_t largest() const override { return buddies_.largest(); }
  [[nodiscard]] std::int64_t rounded(std::int64_t slots) const override {
    return buddies_.rounded(slots);
  }

 private:
  Piece last_ = {0, 0};
  kvsim::Buddy buddies_;
};

template <class Policy>
std::string found_in() {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto make = [](std::int64_t slots) { return std::make_unique<Policy>(slots); };
    if (const std::string broken = broken_rule(make, seed); !broken.empty()) return broken;
  }
  return "";
}

TEST(placement, the_rules_tell_a_wrong_one) {
  CHECK(!found_in<Leaks>().empty());
  CHECK(!found_in<Overlaps>().empty());
  CHECK(!found_in<FreesTwice>().empty());
}

TEST(placement, first_fit_and_best_fit_choose_their_piece) {
  kvsim::FirstFit first(100);
  kvsim::BestFit best(100);
  for (kvsim::PlacementPolicy* p : {static_cast<kvsim::PlacementPolicy*>(&first),
                                    static_cast<kvsim::PlacementPolicy*>(&best)}) {
    CHECK_EQ(p->place(30), 0);
    CHECK_EQ(p->place(20), 30);
    CHECK_EQ(p->place(10), 50);
    CHECK_EQ(p->place(10), 60);
    CHECK_EQ(p->place(30), 70);
    p->release(0, 30);   // 30 free at 0
    p->release(50, 10);  // 10 free at 50
  }
  CHECK_EQ(first.place(10), 0);
  CHECK_EQ(best.place(10), 50);
}

TEST(placement, buddies_halve_and_join) {
  kvsim::Buddy buddy(7 * 1024);  // 4096 + 2048 + 1024
  CHECK_EQ(buddy.largest(), 4096);
  CHECK_EQ(buddy.rounded(1025), 2048);
  CHECK_EQ(buddy.place(1024), 6144);  // the smallest piece that fits
  CHECK_EQ(buddy.place(1000), 4096);
  CHECK_EQ(buddy.place(1), 5120);
  CHECK_EQ(buddy.place(2048), 0);
  CHECK_EQ(buddy.place(4096), PlacementPolicy::nowhere);
  buddy.release(0, 2048);
  CHECK_EQ(buddy.place(4096), 0);
  buddy.release(4096, 1000);
  CHECK_EQ(buddy.place(1025), PlacementPolicy::nowhere);  // its buddy has a slot in use
  buddy.release(5120, 1);
  CHECK_EQ(buddy.place(1025), 4096);
}

}  // namespace
