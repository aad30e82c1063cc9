// Replays what vLLM's own scheduler did (tests/golden), by steps and by leaps: every column of
// every file must come out byte for byte.

#include <algorithm>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "kvsim/workload/build.hpp"
#include "server/replica_run.hpp"
#include "vllm_case.hpp"

namespace {

using kvsim::Mode;
using kvsim::Record;
using namespace kvsim_test;

// Rows as text; cells are pushed as printf would write them.
class Table {
 public:
  explicit Table(const char* header) : text_(std::string(header) + "\n") {}
  Table& cell(std::int64_t value) { return cell(std::to_string(value)); }
  Table& cell(const std::string& value) {
    if (row_begun_) text_ += ',';
    row_begun_ = true;
    text_ += value;
    return *this;
  }
  void end_row() {
    text_ += '\n';
    row_begun_ = false;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool row_begun_ = false;
};

std::string hex(std::uint64_t x) {
  char text[17];
  std::snprintf(text, sizeof text, "%016" PRIx64, x);
  return text;
}

std::string victims(const kvsim::StepColumns& s, std::size_t step, bool queued) {
  std::string text;
  const auto from = static_cast<std::size_t>(s.preempted_offset[step]);
  const auto to = static_cast<std::size_t>(s.preempted_offset[step + 1]);
  for (std::size_t i = from; i < to; ++i) {
    if (i > from) text += ';';
    text += std::to_string(s.preempted_request[i]);
    text += ':';
    text += std::to_string(s.preempted_computed[i]);
    if (!queued) continue;
    text += ':';
    text += std::to_string(s.preempted_in_flight[i]);
  }
  return text;
}

std::string steps_csv(const Outcome& run, bool queued) {
  Table table(queued
                  ? "step,t_ns,start_ns,end_ns,upd_ns,dur_ns,inflight,n_sched,tokens,ctx,running,"
                    "waiting,free_sched,free_end,preempted,blocks_h"
                  : "step,t_ns,dur_ns,n_sched,tokens,ctx,running,waiting,free_sched,free_end,"
                    "preempted,blocks_h");
  const kvsim::StepColumns& s = run.steps;
  for (std::size_t i = 0; i < s.t_ns.size(); ++i) {
    table.cell(static_cast<std::int64_t>(i)).cell(s.t_ns[i]);
    if (queued) table.cell(s.start_ns[i]).cell(s.end_ns[i]).cell(s.processed_ns[i]);
    table.cell(s.dur_ns[i]);
    if (queued) table.cell(s.in_flight[i]);
    table.cell(s.scheduled[i]).cell(s.tokens[i]).cell(s.context[i]).cell(s.running[i]);
    table.cell(s.waiting[i]).cell(s.free_blocks_scheduled[i]).cell(s.free_blocks_end[i]);
    table.cell(victims(s, i, queued)).cell(hex(s.blocks_hash[i])).end_row();
  }
  return table.text();
}

std::string entries_csv(const Outcome& run, bool queued) {
  Table table(queued ? "step,req,kind,computed,ntok,ndraft,nsampled,out"
                     : "step,req,kind,computed,ntok,ndraft,nsampled");
  const kvsim::EntryColumns& e = run.entries;
  for (std::size_t i = 0; i < e.step.size(); ++i) {
    table.cell(e.step[i]).cell(e.request[i]).cell(std::string(1, "NRC"[e.kind[i]]));
    table.cell(e.computed[i]).cell(e.tokens[i]).cell(e.drafts[i]).cell(e.sampled[i]);
    if (queued) table.cell(std::string(1, e.fate[i]));
    table.end_row();
  }
  return table.text();
}

std::string requests_csv(const Outcome& run, const kvsim::Dataset& input) {
  Table table("req,first_token_ns,finish_ns,n_out,n_preempt,first_hit,reason");
  const kvsim::RequestColumns& q = run.requests;
  for (std::size_t r = 0; r < q.finish_ns.size(); ++r) {
    const bool stop = !input.stop_after.empty() && input.stop_after[r] > 0 &&
                      input.stop_after[r] == q.output_tokens[r];
    table.cell(static_cast<std::int64_t>(r)).cell(q.first_token_ns[r]).cell(q.finish_ns[r]);
    table.cell(q.output_tokens[r]).cell(q.num_preemptions[r]).cell(q.cached_tokens[r]);
    table.cell(stop ? "stop" : "length").end_row();
  }
  return table.text();
}

void expect_text(const std::string& got, const std::string& path, const std::string& mode) {
  const std::string wanted = read_gzip(path);
  if (got == wanted) return;
  std::istringstream a(got);
  std::istringstream b(wanted);
  std::string x;
  std::string y;
  int line = 0;
  do {
    ++line;
    if (!std::getline(a, x)) x = "(nothing)";
    if (!std::getline(b, y)) y = "(nothing)";
  } while (x == y);
  std::string what = mode;
  what.append("\n    vLLM:  ").append(y).append("\n    kvsim: ").append(x);
  report_failure(path.c_str(), line, what);
}

void replay(const std::string& folder, Mode mode) {
  const VllmCase recorded = read_vllm_case(folder);
  const bool queued = recorded.engine.async_scheduling || recorded.pipeline_parallel_size > 1;
  ReplicaCase c;
  c.engine = recorded.engine;
  c.pipeline_parallel_size = recorded.pipeline_parallel_size;
  c.step_time = recorded.step_time;
  c.requests = kvsim::build_requests(vllm_workload(recorded), {{"case", recorded.requests}},
                                     c.engine.block_size, 0, c.engine.enable_prefix_caching);
  // A workload's time begins with its first arrival, the recording's before it.
  c.requests.arrival_ns = recorded.requests->arrival_ns;
  const Outcome run = run_replica(c, Pool::blocks, mode, Record::all);
  const std::string name = mode == Mode::step ? "step" : "leap";
  CHECK_EQ(run.message, "");
  expect_text(steps_csv(run, queued), folder + "/steps.csv.gz", name);
  expect_text(entries_csv(run, queued), folder + "/sched.csv.gz", name);
  expect_text(requests_csv(run, *recorded.requests), folder + "/requests_out.csv.gz", name);
  CHECK_EQ(waterfall_gap(run), "");
}

std::size_t replay_all(const std::string& folder, Mode mode) {
  std::vector<std::string> cases;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_directory()) cases.push_back(entry.path().string());
  }
  std::sort(cases.begin(), cases.end());
  for (const std::string& path : cases) replay(path, mode);
  return cases.size();
}

constexpr const char* golden = KVSIM_SOURCE_DIR "/tests/golden";

TEST(golden, synchronous_cases_by_steps) {
  CHECK_EQ(replay_all(std::string(golden) + "/sync", Mode::step), 22U);
}
TEST(golden, synchronous_cases_by_leaps) {
  CHECK_EQ(replay_all(std::string(golden) + "/sync", Mode::leap), 22U);
}
TEST(golden, cases_with_batches_in_flight_by_steps) {
  CHECK_EQ(replay_all(std::string(golden) + "/async_pp", Mode::step), 15U);
}
TEST(golden, cases_with_batches_in_flight_by_leaps) {
  CHECK_EQ(replay_all(std::string(golden) + "/async_pp", Mode::leap), 15U);
}

}  // namespace
