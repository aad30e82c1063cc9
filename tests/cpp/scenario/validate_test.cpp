#include <string>

#include "check.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/scenario/json.hpp"
#include "kvsim/scenario/scenario.hpp"
#include "kvsim/scenario/scenario_json.hpp"

using kvsim::Error;
using kvsim::Scenario;

namespace {

Scenario parse(const std::string& text) {
  return kvsim::from_json<Scenario>(kvsim::json::parse(text));
}

// A scenario with these members of the workload, or the engine.
Scenario with_workload(const std::string& members) {
  return parse("{\"workload\": {" + members + "}}");
}
Scenario with_engine(const std::string& members) {
  return parse("{\"workload\": {\"num_requests\": 1}, \"engine\": {" + members + "}}");
}

}  // namespace

TEST(validate, the_least_workload_is_a_number_of_requests) {
  CHECK_EQ(*with_workload("\"num_requests\": 7").workload.num_requests, 7);
  CHECK_THROWS_WITH(with_workload(""), Error, "workload.num_requests: got null");
  CHECK_THROWS_WITH(with_workload("\"num_requests\": 0"), Error, "workload.num_requests: got 0");
  // With a dataset null means all of its rows.
  CHECK(!with_workload("\"lengths\": \"azure\"").workload.num_requests);
}

TEST(validate, bounds_of_uniform_lengths_are_in_order) {
  CHECK_THROWS_WITH(
      with_workload("\"num_requests\": 1, \"lengths\": {\"kind\": \"uniform\", "
                    "\"prompt_min_tokens\": 9, \"prompt_max_tokens\": 8}"),
      Error, "workload.lengths.prompt_min_tokens: got 9; allowed: at most prompt_max_tokens = 8");
  CHECK_THROWS_WITH(with_workload("\"num_requests\": 1, \"lengths\": {\"kind\": \"uniform\", "
                                  "\"output_min_tokens\": 500}"),
                    Error, "workload.lengths.output_min_tokens: got 500");
}

TEST(validate, what_a_trace_gives_needs_a_dataset) {
  CHECK_THROWS_WITH(with_workload("\"num_requests\": 1, \"arrivals\": {\"kind\": \"trace\"}"),
                    Error, "workload.arrivals: got \"trace\"");
  CHECK_THROWS_WITH(with_workload("\"num_requests\": 1, \"prefixes\": {\"kind\": \"trace\"}"),
                    Error, "workload.prefixes: got \"trace\"");
  CHECK_THROWS_WITH(with_workload("\"lengths\": \"\""), Error, "workload.lengths.name");
  CHECK_THROWS_WITH(with_workload("\"lengths\": \"azure\", \"arrivals\": {\"kind\": \"trace\", "
                                  "\"time_scale\": 2, \"rate_per_s\": 3}"),
                    Error, "workload.arrivals.time_scale");
}

TEST(validate, sessions_are_no_closed_loop) {
  CHECK_THROWS_WITH(with_workload("\"num_requests\": 1, \"prefixes\": {\"kind\": \"sessions\"}, "
                                  "\"arrivals\": {\"kind\": \"closed_loop\"}"),
                    Error, "workload.prefixes: got \"sessions\"");
}

TEST(validate, speculation_has_a_method_and_a_number) {
  CHECK_THROWS_WITH(with_engine("\"num_spec_tokens\": 3"), Error,
                    "engine.num_spec_tokens: got 3; allowed: 0, since spec_method is null");
  CHECK_THROWS_WITH(with_engine("\"spec_method\": \"ngram\""), Error,
                    "engine.num_spec_tokens: got 0; allowed: 1 or more");
  CHECK_THROWS_WITH(with_engine("\"spec_method\": \"ngram\", \"num_spec_tokens\": 4, "
                                "\"long_prefill_token_threshold\": 4"),
                    Error,
                    "engine.long_prefill_token_threshold: got 4; allowed: 0, or 1 + "
                    "num_spec_tokens = 5 or more");
  CHECK_THROWS_WITH(
      with_engine("\"spec_method\": \"draft_model\", \"num_spec_tokens\": 1, "
                  "\"max_num_batched_tokens\": 2"),
      Error, "engine.num_spec_tokens: got 1; allowed: at most max_num_batched_tokens - 2 = 0");
}

TEST(validate, whole_prompts_must_fit_a_step) {
  CHECK_THROWS_WITH(
      with_engine("\"enable_chunked_prefill\": false, \"max_model_len\": 9000"), Error,
      "engine.max_num_batched_tokens: got 8192; allowed: max_model_len = 9000 or more");
}

TEST(validate, a_newer_schema_is_refused) {
  CHECK_THROWS_WITH(
      parse("{\"schema_version\": 2, \"workload\": {\"num_requests\": 1}}"), Error,
      "schema_version: got 2; allowed: at most 1, what this version of kvsim knows (a newer one "
      "wrote this)");
}
