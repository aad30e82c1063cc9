#include "kvsim/scenario/memory_types.hpp"

#include <cstdint>

#include "check.hpp"

namespace {

using kvsim::ContiguousAllocator;
using kvsim::Reservation;

ContiguousAllocator of(Reservation reservation, double fraction = 1) {
  ContiguousAllocator a;
  a.reservation = reservation;
  a.fraction = fraction;
  return a;
}
// A prompt of 100 with an output of 25: the last output's keys and values are never computed.
std::int64_t slots(const ContiguousAllocator& a) { return a.slots(100, 124, 2048); }

TEST(reservation, sizes) {
  CHECK_EQ(slots(of(Reservation::max)), 2048);
  CHECK_EQ(slots(of(Reservation::oracle)), 124);
  CHECK_EQ(slots(of(Reservation::pow2)), 132);  // 25 becomes 32
  CHECK_EQ(slots(of(Reservation::fraction, 0)), 124);
  CHECK_EQ(slots(of(Reservation::fraction, 1)), 2048);
  CHECK_EQ(slots(of(Reservation::fraction, 0.5)), 1086);
  CHECK_EQ(of(Reservation::pow2).slots(2000, 2030, 2048), 2032);
  CHECK_EQ(of(Reservation::pow2).slots(2000, 2035, 2048), 2048);
  ContiguousAllocator limited = of(Reservation::max);
  limited.max_tokens = 512;
  CHECK_EQ(slots(limited), 612);
  limited.max_tokens = 5000;
  CHECK_EQ(slots(limited), 2048);
}

}  // namespace
