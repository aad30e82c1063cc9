#include <cstdint>

#include "check.hpp"
#include "server/replica_run.hpp"

namespace {

using kvsim::ErrorKind;
using kvsim::Mode;
using kvsim::Record;
using namespace kvsim_test;

ReplicaCase long_case() {
  ReplicaCase c = small_case(500);
  for (std::int32_t i = 0; i < 5000; ++i) c.add(i * 500, 30 + i % 50, 20 + i % 30);
  return c;
}

TEST(cancel, a_raised_flag_ends_the_run_in_both_modes) {
  const volatile bool stop = true;
  ReplicaCase c = long_case();
  for (const bool async : {false, true}) {
    c.engine.async_scheduling = async;
    for (const Mode mode : {Mode::step, Mode::leap}) {
      const Outcome run = run_replica(c, Pool::count, mode, Record::summary, {.stop = &stop});
      REQUIRE(run.error.has_value());
      CHECK_EQ(*run.error, ErrorKind::cancelled);
      CHECK(run.totals.completed < 5000);
    }
  }
}

TEST(cancel, a_flag_that_is_not_raised_changes_nothing) {
  const volatile bool stop = false;
  const Outcome watched =
      run_replica(long_case(), Pool::count, Mode::leap, Record::steps, {.stop = &stop});
  const Outcome alone = run_replica(long_case(), Pool::count, Mode::leap, Record::steps);
  CHECK(!watched.error);
  CHECK_EQ(first_difference(watched, alone), "");
}

TEST(cancel, whoever_watches_sees_how_many_requests_have_finished) {
  for (const bool async : {false, true}) {
    for (const Mode mode : {Mode::step, Mode::leap}) {
      ReplicaCase c = long_case();
      c.engine.async_scheduling = async;
      volatile std::int64_t completed = 0;
      const Outcome run =
          run_replica(c, Pool::count, mode, Record::summary, {.completed = &completed});
      CHECK(!run.error);
      CHECK(completed > 0);  // as of the last poll
      CHECK(completed <= run.totals.completed);
    }
  }
}

}  // namespace
