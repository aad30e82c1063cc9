#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "check.hpp"
#include "kvsim/scheduler/spec_law.hpp"
#include "server/replica_run.hpp"

namespace {

using kvsim::Mode;
using kvsim::Record;
using kvsim::SpecMethod;
using namespace kvsim_test;

ReplicaCase speculating(SpecMethod method, std::int64_t drafts) {
  ReplicaCase c = small_case(200);
  c.engine.spec_method = method;
  c.engine.num_spec_tokens = drafts;
  c.engine.spec_seed = 11;
  return c;
}

struct Tally {
  std::int64_t steps = 0, drafts = 0, accepted = 0, scheduled = 0;
};

// What the law gives request 0 alone: a prompt of p tokens, then steps of 1 + drafts tokens. Like
// kvsim, it counts drafts whose tokens were cut at the stop as scheduled, not as accepted.
Tally by_the_law(const ReplicaCase& c, bool ngram) {
  const std::int64_t k = c.engine.num_spec_tokens;
  const auto draw = [&](std::uint64_t salt, std::int64_t outputs) -> std::int64_t {
    return kvsim::spec_draw(c.engine.spec_seed, salt, 0, static_cast<std::uint64_t>(outputs), k);
  };
  Tally tally{.steps = 1, .scheduled = c.requests.prompt_tokens[0]};
  std::int64_t outputs = 1;
  while (outputs < c.requests.output_tokens[0]) {
    const std::int64_t drafts = ngram ? draw(kvsim::salt_propose, outputs) : k;
    const std::int64_t accepted = std::min(drafts, draw(kvsim::salt_accept, outputs));
    const std::int64_t kept = std::min(accepted + 1, c.requests.output_tokens[0] - outputs);
    tally.accepted += std::min(accepted, kept);
    tally.drafts += drafts;
    tally.scheduled += 1 + drafts;
    ++tally.steps;
    outputs += kept;
  }
  return tally;
}

TEST(speculation, a_lone_request_follows_the_law) {
  for (const SpecMethod method : {SpecMethod::ngram, SpecMethod::draft_model}) {
    for (const std::int64_t drafts : {1, 3, 8}) {
      ReplicaCase c = speculating(method, drafts);
      c.add(0, 100, 300);
      const Tally law = by_the_law(c, method == SpecMethod::ngram);
      const Outcome run = run_replica(c, Pool::blocks, Mode::leap, Record::all);
      CHECK_EQ(run.totals.steps, law.steps);
      CHECK_EQ(run.totals.draft_tokens, law.drafts);
      CHECK_EQ(run.totals.accepted_tokens, law.accepted);
      CHECK_EQ(run.totals.scheduled_tokens, law.scheduled);
      CHECK_EQ(run.totals.output_tokens, 300);
      CHECK(run.totals.steps < 300);
    }
  }
}

TEST(speculation, tokens_beyond_the_stop_are_discarded) {
  for (std::int32_t outputs = 1; outputs < 40; ++outputs) {
    ReplicaCase c = speculating(SpecMethod::draft_model, 8);
    c.engine.max_model_len = 64;
    c.add(0, 33, outputs);
    const Outcome run = run_replica(c, Pool::blocks, Mode::step, Record::all);
    CHECK_EQ(run.requests.output_tokens[0], std::min(outputs, 31));
    CHECK_EQ(run.steps.free_blocks_end.back(), 200);
  }
}

TEST(speculation, of_a_draft_model_reserves_slots_ahead) {
  // 31 tokens and 1 + 4 more need a third block at once, with n-grams only what is scheduled does.
  for (const auto& [method, blocks] :
       {std::pair{SpecMethod::draft_model, 3}, std::pair{SpecMethod::ngram, 2}}) {
    ReplicaCase c = speculating(method, 4);
    c.add(0, 31, 5);
    const Outcome run = run_replica(c, Pool::blocks, Mode::step, Record::steps);
    CHECK_EQ(200 - run.steps.free_blocks_scheduled[0], blocks);
  }
}

// Rules, 3.2 step 5. The second prompt is cached but for its last token, so it is admitted with
// that token and dummy drafts, if the context has room for all of them and one more.
TEST(speculation, padding_is_bounded_by_the_context) {
  for (const auto& [max_model_len, padding] : {std::pair{53, 3}, std::pair{52, 0}}) {
    ReplicaCase c = speculating(SpecMethod::ngram, 3);
    c.engine.max_model_len = max_model_len;
    c.engine.enable_prefix_caching = true;
    c.add(0, 49, 3);
    c.add(1, 49, 3);
    c.share_prefix(3);
    const Outcome run = run_replica(c, Pool::blocks, Mode::step, Record::all);
    CHECK_EQ(run.requests.cached_tokens[1], 48);
    CHECK_EQ(run.entries.drafts[0], 0);
    for (std::size_t i = 0; i < run.entries.request.size(); ++i) {
      if (run.entries.request[i] != 1 || run.entries.kind[i] != 0) continue;
      CHECK_EQ(run.entries.drafts[i], padding);
      CHECK_EQ(run.entries.tokens[i], 1 + padding);
      CHECK_EQ(run.entries.sampled[i], 1);  // dummies are never accepted
    }
  }
}

TEST(speculation, is_stepped_and_gives_the_same_with_leaping_asked_for) {
  ReplicaCase c = speculating(SpecMethod::ngram, 3);
  for (std::int32_t i = 0; i < 40; ++i) c.add(i * 3000, 20 + 5 * i, 40 + i);
  const Outcome leap = run_replica(c, Pool::blocks, Mode::leap, Record::all);
  const Outcome step = run_replica(c, Pool::blocks, Mode::step, Record::all);
  CHECK_EQ(first_difference(leap, step), "");
  CHECK_EQ(leap.totals.lazy_steps, 0);
}

}  // namespace

namespace {

TEST(speculation, drafting_takes_the_time_of_k_steps_of_the_draft) {
  ReplicaCase c = speculating(SpecMethod::draft_model, 3);
  c.engine.spec_acceptance = kvsim::ConstantAcceptance{0};
  c.draft_time = kvsim::Affine{50, 0, 0};
  c.add(0, 100, 20);
  const Outcome run = run_replica(c, Pool::count, Mode::leap, Record::requests);
  CHECK_EQ(run.totals.draft_ns, 50 * 3 * run.totals.steps);
  CHECK_EQ(run.totals.steps, 20);
  c.draft_time.reset();
  const Outcome free = run_replica(c, Pool::count, Mode::leap, Record::requests);
  CHECK_EQ(run.totals.busy_ns, free.totals.busy_ns + run.totals.draft_ns);
  // A search runs once for all.
  c = speculating(SpecMethod::ngram, 3);
  c.engine.spec_acceptance = kvsim::ConstantAcceptance{0};
  c.draft_time = kvsim::Affine{50, 0, 0};
  c.add(0, 100, 20);
  const Outcome search = run_replica(c, Pool::count, Mode::leap, Record::requests);
  CHECK_EQ(search.totals.draft_ns, 50 * search.totals.steps);
}

TEST(speculation, slots_ahead_cause_preemptions_that_are_counted) {
  ReplicaCase c = speculating(SpecMethod::draft_model, 12);
  c.engine.num_gpu_blocks = 41;
  c.engine.spec_acceptance = kvsim::ConstantAcceptance{0.1};
  for (int r = 0; r < 20; ++r) c.add(0, 20, 120);
  const Outcome run = run_replica(c, Pool::count, Mode::leap, Record::requests);
  CHECK(run.totals.speculative_preemptions > 0);
  CHECK(run.totals.speculative_preemptions <= run.totals.preemptions);
  c.engine.spec_method.reset();
  c.engine.num_spec_tokens = 0;
  c.engine.spec_acceptance = kvsim::HashAcceptance{};
  const Outcome plain = run_replica(c, Pool::count, Mode::leap, Record::requests);
  CHECK_EQ(plain.totals.speculative_preemptions, 0);
  CHECK(run.totals.preemptions > plain.totals.preemptions);
}

TEST(speculation, mtp_computes_the_last_block_of_a_hit_anew) {
  const auto cached = [](SpecMethod method) {
    ReplicaCase c = speculating(method, 2);
    c.engine.enable_prefix_caching = true;
    c.add(0, 100, 5);
    c.add(1'000'000'000, 100, 5);
    c.share_prefix(4);
    return run_replica(c, Pool::blocks, Mode::leap, Record::requests).requests.cached_tokens[1];
  };
  CHECK_EQ(cached(SpecMethod::draft_model), 64);
  CHECK_EQ(cached(SpecMethod::mtp), 48);
}

}  // namespace
