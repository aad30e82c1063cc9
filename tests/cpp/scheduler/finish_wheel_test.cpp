#include "kvsim/scheduler/finish_wheel.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "check.hpp"
#include "random.hpp"

namespace {

using kvsim::FinishWheel;
using kvsim::RequestId;
using kvsim::Seq;

std::set<RequestId> drained(FinishWheel& wheel, const std::vector<Seq>& seqs, std::int64_t step) {
  std::set<RequestId> ids;
  wheel.drain(seqs, step, [&ids](RequestId r) { ids.insert(r); });
  return ids;
}

TEST(finish_wheel, next_is_found_across_the_end_of_the_wheel) {
  FinishWheel wheel(63);
  std::vector<Seq> seqs(2);
  for (std::int64_t now = 0; now < 200; ++now) {
    for (const std::int64_t ahead : {1, 2, 31, 62, 63}) {
      wheel.insert(seqs, 0, now, now + ahead);
      CHECK_EQ(wheel.next_after(now), now + ahead);
      CHECK_EQ(drained(wheel, seqs, now + ahead), (std::set<RequestId>{0}));
    }
  }
}

TEST(finish_wheel, one_slot_holds_many_and_any_can_leave) {
  FinishWheel wheel(63);
  std::vector<Seq> seqs(4);
  for (RequestId r = 0; r < 4; ++r) wheel.insert(seqs, r, 0, 10);
  wheel.erase(seqs, 2, 5, 10);
  wheel.erase(seqs, 0, 5, 10);
  wheel.insert(seqs, 2, 5, 20);
  CHECK_EQ(wheel.next_after(5), 10);
  CHECK_EQ(drained(wheel, seqs, 10), (std::set<RequestId>{1, 3}));
  CHECK_EQ(drained(wheel, seqs, 10), std::set<RequestId>{});
  CHECK_EQ(wheel.next_after(10), 20);
  wheel.erase(seqs, 2, 12, 20);
  CHECK_EQ(drained(wheel, seqs, 20), std::set<RequestId>{});
}

// Finishes up to ten turns of the wheel ahead: who is beyond its span sits at the far end and is
// looked at again there, as the lazy path does it.
TEST(finish_wheel, equals_a_map_also_beyond_its_span) {
  constexpr std::int64_t requests = 40;
  FinishWheel wheel(1);
  std::vector<Seq> seqs(requests);
  std::map<RequestId, std::int64_t> finish;  // of those in the wheel
  kvsim_test::Random random(3);
  std::int64_t now = 0;
  for (int round = 0; round < 20'000; ++round) {
    const auto r = static_cast<RequestId>(random.between(0, requests - 1));
    const auto there = finish.find(r);
    if (there == finish.end()) {
      const std::int64_t at = now + random.between(1, random.chance(70) ? 60 : 640);
      wheel.insert(seqs, r, now, at);
      finish[r] = at;
    } else if (random.chance(30)) {
      wheel.erase(seqs, r, now, there->second);
      finish.erase(there);
    }
    if (finish.empty()) continue;
    std::int64_t first = finish.begin()->second;
    for (const auto& [id, at] : finish) first = std::min(first, at);
    const std::int64_t next = wheel.next_after(now);
    REQUIRE(next > now && next <= first);
    now = next;
    for (const RequestId id : drained(wheel, seqs, now)) {
      REQUIRE(finish.count(id) == 1);
      if (finish[id] > now) {
        wheel.insert(seqs, id, now, finish[id]);
      } else {
        REQUIRE(finish[id] == now);
        finish.erase(id);
      }
    }
  }
}

}  // namespace
