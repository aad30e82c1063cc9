#include "kvsim/scheduler/lazy.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "check.hpp"
#include "kvsim/kv/count_pool.hpp"
#include "random.hpp"

namespace {

using kvsim::CountPool;
using kvsim::LazyDecodes;
using kvsim::OrderedId;
using kvsim::RequestId;
using kvsim::Seq;
using State = kvsim::SchedulerState<CountPool>;

TEST(lazy, ordered_lists_stay_sorted) {
  std::vector<OrderedId> list;
  kvsim_test::Random random(1);
  std::vector<OrderedId> in;
  for (int i = 0; i < 2000; ++i) {
    const auto x = static_cast<OrderedId>(random.between(0, 1'000'000));
    if (in.empty() || random.chance(60)) {
      if (std::count(in.begin(), in.end(), x) > 0) continue;
      kvsim::insert_ordered(list, x);
      in.push_back(x);
    } else {
      const OrderedId gone = random.pick(in);
      std::erase(in, gone);
      kvsim::erase_ordered(list, gone);
      kvsim::erase_ordered(list, gone);  // what is not there changes nothing
    }
  }
  std::sort(in.begin(), in.end());
  CHECK_EQ(list, in);
}

// Requests that enter, leave and finish at random, against their states written out.
class LazyDecodesTest {
 public:
  // The wheel spans 64 steps and outputs are up to 300 long, so some requests are beyond it.
  explicit LazyDecodesTest(std::uint64_t seed)
      : random_(seed),
        table_(make_table(random_)),
        ledger_(table_, false),
        state_(make_config(random_.between(1, 20)), table_),
        lazy_(state_, 1) {
    state_.ledger = &ledger_;
  }

  void run() {
    for (RequestId r = 0; r < table_.size() || lazy_.count() > 0;) {
      while (r < table_.size() && random_.chance(40)) enter(r++);
      if (lazy_.count() == 0) continue;
      check_takers();
      if (random_.chance(10)) leave_one();
      if (lazy_.count() > 0) advance();
    }
    CHECK_EQ(lazy_.context(), 0);
    CHECK_EQ(state_.num_running, 0);
  }

 private:
  static kvsim::RequestTable make_table(kvsim_test::Random& random) {
    kvsim::RequestTable table;
    for (int i = 0; i < 150; ++i) {
      table.arrival_ns.push_back(0);
      table.prompt_tokens.push_back(static_cast<std::int32_t>(random.between(1, 100)));
      table.output_tokens.push_back(static_cast<std::int32_t>(random.between(2, 300)));
    }
    return table;
  }
  static kvsim::SchedulerConfig make_config(std::int64_t block_size) {
    kvsim::SchedulerConfig config;
    config.block_size = block_size;
    config.num_gpu_blocks = 1'000'000;
    config.max_model_len = 10'000;
    return config;
  }

  // As after its first token: the prompt's blocks are there.
  void enter(RequestId r) {
    state_.add(r);
    state_.waiting.pop();
    Seq& q = state_.seqs[r];
    q.computed = q.known++;
    state_.append_blocks(q, kvsim::ceil_div(q.computed, state_.cfg.block_size));
    q.live = true;
    q.order = state_.admissions++;
    state_.running.push_back(r);
    ++state_.num_running;
    lazy_.enter(r);
    model_.emplace_back(r, q.known);
  }

  void check_takers() {
    std::vector<RequestId> expected;
    std::int64_t context = 0;
    std::int64_t first_finish = 1'000'000;
    for (const auto& [r, known] : model_) {
      context += known;
      first_finish = std::min<std::int64_t>(first_finish, state_.seqs[r].limit - known);
      if ((known - 1) % state_.cfg.block_size == 0) expected.push_back(r);
    }
    std::vector<RequestId> takers;
    for (const OrderedId x : lazy_.takers()) takers.push_back(kvsim::id_of(x));
    CHECK_EQ(takers, expected);
    CHECK_EQ(lazy_.count(), static_cast<std::int64_t>(model_.size()));
    CHECK_EQ(lazy_.context(), context);
    CHECK(lazy_.next_finish() <= lazy_.step() + first_finish);
  }

  void leave_one() {
    const auto at = random_.between(0, static_cast<std::int64_t>(model_.size()) - 1);
    const auto [r, known] = model_[static_cast<std::size_t>(at)];
    model_.erase(model_.begin() + at);
    lazy_.leave_wheel(r);
    lazy_.leave(r);
    check_written_out(r, known);
    state_.finish(r);
  }

  void advance() {
    lazy_.take_blocks();
    lazy_.advance();
    for (auto& [r, known] : model_) ++known;
    finished_.clear();
    lazy_.collect_finished(finished_);
    std::sort(finished_.begin(), finished_.end());
    std::vector<RequestId> expected;
    std::erase_if(model_, [&](const auto& entry) {
      if (entry.second < state_.seqs[entry.first].limit) return false;
      expected.push_back(entry.first);
      return true;
    });
    std::vector<RequestId> finished;
    for (const OrderedId x : finished_) {
      finished.push_back(kvsim::id_of(x));
      check_written_out(finished.back(), state_.seqs[finished.back()].limit);
      state_.finish(finished.back());
    }
    CHECK_EQ(finished, expected);
  }

  void check_written_out(RequestId r, std::int64_t known) {
    const Seq& q = state_.seqs[r];
    CHECK(!q.lazy);
    CHECK_EQ(q.known, known);
    CHECK_EQ(q.computed, known - 1);
    CHECK_EQ(q.blocks, kvsim::ceil_div(known - 1, state_.cfg.block_size));
  }

  kvsim_test::Random random_;
  kvsim::RequestTable table_;
  kvsim::Ledger ledger_;
  State state_;
  LazyDecodes<CountPool> lazy_;
  std::vector<std::pair<RequestId, std::int64_t>> model_;  // in running order: id, tokens known
  std::vector<OrderedId> finished_;
};

TEST(lazy, equals_requests_written_out_step_by_step) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) LazyDecodesTest(seed).run();
}

}  // namespace
