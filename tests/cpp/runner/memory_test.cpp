#include "runner/memory.hpp"

#include "check.hpp"

using namespace kvsim;
using namespace kvsim::runner;

namespace {

Scenario with_requests(std::int64_t n) {
  Scenario s;
  s.workload.num_requests = n;
  return s;
}

}  // namespace

TEST(memory, of_requests_is_linear_and_knows_what_is_recorded) {
  Scenario s;
  const std::int64_t one = request_bytes(s, 1);
  CHECK_EQ(request_bytes(s, 1000), 1000 * one);
  s.record_waterfall = false;
  CHECK_EQ(one - request_bytes(s, 1), 57);  // seven terms and a flag
}

TEST(memory, requests_beyond_it_are_refused_with_the_gb) {
  if (!free_bytes()) return;
  CHECK(*free_bytes() > 0);
  check_memory(with_requests(1000), {});
  CHECK_THROWS_WITH(check_memory(with_requests(std::int64_t{1} << 40), {}), Error,
                    "workload.num_requests: got 1099511627776; allowed: what fits into memory: "
                    "these need about");
}

TEST(memory, a_dataset_without_a_number_has_its_rows) {
  Scenario s;
  s.workload.num_requests.reset();
  s.workload.lengths = DatasetLengths{.name = "d"};
  CHECK_EQ(num_requests(s, {}), 0);
  auto rows = std::make_shared<Dataset>();
  rows->prompt_tokens = {1, 2, 3};
  CHECK_EQ(num_requests(s, {{"d", rows}}), 3);
  CHECK_EQ(num_requests(s, {{"d", nullptr}}), 0);
}

TEST(memory, a_watched_run_ends_before_all_is_taken) {
  watch_memory(0);
  if (!free_bytes()) return;
  CHECK_THROWS_WITH(watch_memory(std::int64_t{1} << 60), OutOfMemory, "GB are free");
}
