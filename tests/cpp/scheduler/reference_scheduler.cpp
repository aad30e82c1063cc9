#include "scheduler/reference_scheduler.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <set>
#include <utility>
#include <vector>

#include "scheduler/reference_rules.hpp"

namespace kvsim_test {
namespace {

using kvsim::Ns;
using Id = ReferenceRules::Id;

std::int32_t narrow(std::int64_t x) { return static_cast<std::int32_t>(x); }
Ns rounded(double x) { return static_cast<Ns>(std::nearbyint(x)); }

class Reference {
 public:
  Reference(const ReplicaCase& c, std::int64_t most_calls)
      : c_(c),
        rules_(c),
        most_calls_(most_calls),
        unfinished_(c.requests.size()),
        stage_free_(at(c.pipeline_parallel_size)) {
    for (Id i = 0; i < c.requests.size(); ++i) {
      const Ns when = c.requests.arrival_ns[at(i)];
      if (when >= 0) send(i, when);
    }
    next_client_ = c.requests.closed_loop_concurrency;
  }

  Outcome run() {
    if (c_.engine.async_scheduling || c_.pipeline_parallel_size > 1) {
      run_in_flight();
    } else {
      run_one_by_one();
    }
    fill_requests();
    return out_;
  }

 private:
  using Batch = std::vector<ReferenceRules::Planned>;
  struct InFlight {
    Batch entries;
    Ns end;
    std::size_t row;
    std::size_t first_entry;
  };

  bool give_up() {
    if (calls_++ < most_calls_) return false;
    out_.error = kvsim::ErrorKind::livelock;
    return true;
  }
  [[nodiscard]] bool work() const {
    return flush_ || rules_.num_running() > 0 || rules_.num_waiting() > 0;
  }

  // The loop of the golden traces: one batch at a time.
  void run_one_by_one() {
    while (unfinished_ > 0 && !give_up()) {
      if (rules_.num_running() == 0 && rules_.num_waiting() == 0) {
        now_ = std::max(now_, arrivals_.begin()->first);
      }
      add_arrivals();
      rules_.schedule();
      if (rules_.plan.empty()) continue;
      const std::size_t first_entry = out_.entries.step.size();
      now_ += record_step(rules_.plan);
      process(rules_.plan, first_entry);
      out_.steps.free_blocks_end.push_back(narrow(rules_.pool.free()));
    }
  }

  // Q2: batches in flight.
  void run_in_flight() {
    const std::int64_t most = c_.pipeline_parallel_size + (c_.engine.async_scheduling ? 1 : 0);
    for (;;) {
      if (!work() && queue_.empty()) {
        if (unfinished_ == 0) return;
        now_ = std::max(now_, arrivals_.begin()->first);
      }
      add_arrivals();
      bool ran = false;
      bool block = true;
      if (work()) {
        if (give_up()) return;
        flush_ = false;
        rules_.schedule();
        launch(rules_.plan);
        ran = !rules_.plan.empty();
        block = !(static_cast<std::int64_t>(queue_.size()) < most && (ran || work()));
      }
      if (block) {
        InFlight batch = queue_.front();
        queue_.pop_front();
        now_ = std::max(now_, batch.end);
        process(batch.entries, batch.first_entry);
        if (!rules_.stopped.empty()) flush_ = true;
        out_.steps.processed_ns[batch.row] = now_;
        out_.steps.free_blocks_end[batch.row] = narrow(rules_.pool.free());
      }
      if (!ran && work()) now_ += c_.engine.empty_sleep_ns;
    }
  }

  void launch(const Batch& batch) {
    const std::size_t first_entry = out_.entries.step.size();
    const Ns duration = record_step(batch);
    const std::int64_t stages = c_.pipeline_parallel_size;
    const auto number = static_cast<std::int64_t>(ends_.size());
    Ns x = now_;
    if (c_.engine.async_scheduling && number >= stages && ends_[at(number - stages)].second) {
      x = std::max(x, ends_[at(number - stages)].first);
    }
    const Ns start = std::max(x, stage_free_[0]);
    x = start;
    for (std::int64_t g = 0; g < stages; ++g) {
      x = std::max(x, stage_free_[at(g)]) + duration * (g + 1) / stages - duration * g / stages;
      stage_free_[at(g)] = x;
    }
    bool samples = false;
    for (const auto& e : batch) samples = samples || e.samples;
    ends_.emplace_back(x, samples);
    out_.steps.start_ns.push_back(start);
    out_.steps.end_ns.push_back(x);
    out_.steps.processed_ns.push_back(0);
    out_.steps.free_blocks_end.push_back(0);
    queue_.push_back({batch, x, out_.steps.t_ns.size() - 1, first_entry});
    out_.steps.in_flight.push_back(narrow(static_cast<std::int64_t>(queue_.size())));
    out_.entries.fate.resize(out_.entries.step.size());
  }

  void add_arrivals() {
    while (!arrivals_.empty() && arrivals_.begin()->first <= now_) {
      rules_.enqueue(arrivals_.begin()->second);
      arrivals_.erase(arrivals_.begin());
    }
  }
  // A request is sent, and reaches the scheduler after the front end's time.
  void send(Id id, Ns when) {
    rules_.requests[at(id)].arrival = when;
    const Ns delay = rounded(c_.engine.frontend_ms * 1e6 +
                             c_.engine.frontend_us_per_prompt_token * 1e3 *
                                 static_cast<double>(c_.requests.prompt_tokens[at(id)]));
    arrivals_.insert({when + delay, id});
  }

  void process(Batch& batch, std::size_t first_entry) {
    rules_.process(batch, now_);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      out_.entries.sampled[first_entry + i] = narrow(batch[i].made);
      if (!out_.entries.fate.empty()) out_.entries.fate[first_entry + i] = batch[i].fate;
    }
    unfinished_ -= static_cast<std::int64_t>(rules_.stopped.size());
    for (const Id id : rules_.stopped) set_off_next(id);
  }

  // A closed loop's next request, a session's next turn.
  void set_off_next(Id finished) {
    const kvsim::RequestTable& t = c_.requests;
    if (t.closed_loop_concurrency > 0) {
      if (next_client_ < t.size()) send(next_client_++, now_ + t.closed_loop_think_ns);
    } else if (!t.successor.empty() && t.successor[at(finished)] >= 0) {
      const Id next = t.successor[at(finished)];
      send(next, now_ + t.delay_ns[at(next)]);
    }
  }

  // Returns how long the step lasts.
  Ns record_step(const Batch& batch) {
    std::int64_t tokens = 0;
    std::int64_t context = 0;
    std::uint64_t hash = 1469598103934665603ULL;
    const auto mix = [&hash](std::int64_t x) {
      hash = (hash ^ static_cast<std::uint64_t>(x)) * 1099511628211ULL;
    };
    kvsim::StepColumns& s = out_.steps;
    for (const auto& e : batch) {
      const std::vector<std::int64_t>& table = rules_.requests[at(e.id)].table;
      tokens += e.n;
      context += e.computed + e.n;
      mix(e.id + 1);
      for (std::size_t j = e.old_blocks; j < table.size(); ++j) mix(table[j]);
      out_.entries.step.push_back(narrow(static_cast<std::int64_t>(s.t_ns.size())));
      out_.entries.request.push_back(narrow(e.id));
      out_.entries.kind.push_back(e.kind);
      out_.entries.computed.push_back(narrow(e.computed));
      out_.entries.tokens.push_back(narrow(e.n));
      out_.entries.drafts.push_back(narrow(e.drafts));
      out_.entries.sampled.push_back(0);
    }
    const Ns duration =
        batch.empty()
            ? 0
            : rounded(c_.step_time.a_ns) +
                  rounded(c_.step_time.b_ns_per_token * static_cast<double>(tokens)) +
                  rounded(c_.step_time.c_ns_per_context_token * static_cast<double>(context));
    s.t_ns.push_back(now_);
    s.dur_ns.push_back(duration);
    s.scheduled.push_back(narrow(static_cast<std::int64_t>(batch.size())));
    s.tokens.push_back(narrow(tokens));
    s.context.push_back(context);
    s.running.push_back(narrow(rules_.num_running()));
    s.waiting.push_back(narrow(rules_.num_waiting()));
    s.free_blocks_scheduled.push_back(narrow(rules_.pool.free()));
    s.preempted.push_back(narrow(static_cast<std::int64_t>(rules_.preempted.size())));
    s.blocks_hash.push_back(hash);
    for (const auto& victim : rules_.preempted) {
      s.preempted_request.push_back(narrow(victim.id));
      s.preempted_computed.push_back(narrow(victim.computed));
      s.preempted_in_flight.push_back(narrow(victim.in_flight));
    }
    return duration;
  }

  void fill_requests() {
    kvsim::RequestColumns& q = out_.requests;
    for (const ReferenceRequest& r : rules_.requests) {
      q.arrival_ns.push_back(r.arrival);
      q.first_token_ns.push_back(r.first_token);
      q.finish_ns.push_back(r.finish);
      q.output_tokens.push_back(narrow(r.T - r.prompt));
      q.num_preemptions.push_back(narrow(r.npre));
      q.cached_tokens.push_back(narrow(r.first_hit));
    }
  }

  const ReplicaCase& c_;
  ReferenceRules rules_;
  std::int64_t most_calls_;
  std::int64_t calls_ = 0;
  std::int64_t unfinished_;
  std::set<std::pair<Ns, Id>> arrivals_;
  std::int64_t next_client_ = 0;
  Ns now_ = 0;
  Outcome out_;
  // Q2.
  std::deque<InFlight> queue_;
  std::vector<std::pair<Ns, bool>> ends_;  // by batch: end of its execution, whether it samples
  std::vector<Ns> stage_free_;
  bool flush_ = false;
};

}  // namespace

Outcome run_reference(const ReplicaCase& c, std::int64_t most_calls) {
  return Reference(c, most_calls).run();
}

}  // namespace kvsim_test
