#include "kvsim/fleet/lindley.hpp"

#include <algorithm>
#include <tuple>

namespace kvsim {

namespace {

constexpr std::int64_t most_workers = 16;

// A server whose queue is known only by when its requests start and its workers are free.
class Line {
 public:
  explicit Line(std::int64_t workers) : free_(static_cast<std::size_t>(workers), -1) {}

  // The start of a request that arrives at t.
  Ns start(Ns t) {
    worker_ = 0;
    for (std::size_t w = 1; w < free_.size(); ++w) {
      if (free_[w] < free_[worker_]) worker_ = w;
    }
    return std::max(t, free_[worker_]);
  }
  // Whether no worker is busy at the start just returned.
  [[nodiscard]] bool idle(Ns start) const {
    return std::none_of(free_.begin(), free_.end(), [start](Ns f) { return f > start; });
  }
  void serve(Ns finish) { free_[worker_] = finish; }
  [[nodiscard]] std::int64_t busy(Ns t) const {
    return std::count_if(free_.begin(), free_.end(), [t](Ns f) { return f > t; });
  }
  // Requests that wait at t, one with this start included.
  std::int64_t waiting(Ns t, Ns start) {
    while (head_ < starts_.size() && starts_[head_] <= t) ++head_;
    if (head_ == starts_.size()) {
      starts_.clear();
      head_ = 0;
    } else if (head_ > 1024 && 2 * head_ > starts_.size()) {
      starts_.erase(starts_.begin(), starts_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    if (start > t) starts_.push_back(start);
    return static_cast<std::int64_t>(starts_.size() - head_);
  }

 private:
  std::vector<Ns> free_;  // by worker; -1 before its first request
  std::size_t worker_ = 0;
  std::vector<Ns> starts_;  // of those that wait, in order
  std::size_t head_ = 0;
};

struct Kind {
  double s_ns;
  LawSampler law;
};

// A sub-request's end; in the order in which the fleet loop sees them.
struct End {
  Ns finish;
  std::int32_t server;
  std::uint32_t part;
  Ns start;
  bool operator<(const End& o) const {
    return std::tie(finish, server, part) < std::tie(o.finish, o.server, o.part);
  }
};

}  // namespace

bool lindley_applies(const Scenario& s, const RequestTable& table) {
  const FleetSpec& f = *s.fleet;
  const auto* common = std::get_if<OneShotSpec>(&f.server);
  if (common == nullptr || s.mode != Mode::leap) return false;
  const auto simple = [](const OneShotSpec& o) {
    return o.max_batch == 1 && o.discipline == Discipline::fcfs && o.workers <= most_workers;
  };
  bool all = f.groups.empty() ? simple(*common) : true;
  for (const ReplicaGroup& g : f.groups) all = all && simple(g.one_shot.value_or(*common));
  const Router router = routing::make_router(f.router, table);
  return all && !routing::reads_state(router) && table.closed_loop_concurrency == 0 &&
         table.successor.empty() && s.record != Record::steps && s.record != Record::all &&
         std::holds_alternative<NoHedge>(f.hedge) && f.outages.empty() && !f.random_outages &&
         !f.max_outstanding && !f.max_server_outstanding && f.gateway.batch == 1 && !f.uplink &&
         !f.downlink && f.fan_out.placement != FanOutPlacement::distinct;
}

LindleyRun run_lindley(const Scenario& s, const RequestTable& table, Control control,
                       RunTotals& totals) {
  const FleetSpec& f = *s.fleet;
  LindleyRun run;
  open_columns(table, s.record_waterfall, false, run.columns);
  RequestColumns& c = run.columns;
  Router router = routing::make_router(f.router, table);
  const Stream routing(s.seed, Purpose::routing);
  const Ns wakeup = f.power ? ns_from_ms(f.power->wakeup_ms) : 0;

  std::vector<Kind> kinds;
  std::vector<std::uint32_t> kind_of;
  std::vector<double> weight;
  std::vector<Line> lines;
  const auto add = [&](const OneShotSpec& o, std::int64_t count, double w) {
    kinds.push_back(
        {o.s0_ms * 1e6 + o.s1_ms * 1e6, LawSampler(o.jitter, s.seed, Purpose::service)});
    lines.insert(lines.end(), static_cast<std::size_t>(count), Line(o.workers));
    kind_of.insert(kind_of.end(), static_cast<std::size_t>(count),
                   static_cast<std::uint32_t>(kinds.size() - 1));
    weight.insert(weight.end(), static_cast<std::size_t>(count), w);
    run.fleet.workers += count * o.workers;
  };
  const auto& common = std::get<OneShotSpec>(f.server);
  if (f.groups.empty()) add(common, f.num_servers, 1);
  for (const ReplicaGroup& g : f.groups) add(g.one_shot.value_or(common), g.count, g.weight);

  const auto parts = static_cast<std::uint32_t>(f.fan_out.parts);
  const auto quorum = static_cast<std::size_t>(f.fan_out.quorum.value_or(parts));
  const bool sharded = f.fan_out.placement == FanOutPlacement::sharded;
  const std::size_t share = sharded ? lines.size() / parts : lines.size();
  const std::vector<std::int32_t> load(lines.size());
  const std::vector<std::int64_t> kv(lines.size());
  std::vector<Ns> deadlines;
  for (const double ms : f.deadlines_ms) deadlines.push_back(ns_from_ms(ms, "fleet.deadlines_ms"));
  std::vector<Ns> last_packet(lines.size(), -1);
  std::vector<End> ends(parts);
  Int128 waiting = 0;
  const auto n = static_cast<std::uint32_t>(table.size());
  for (std::uint32_t r = 0; r < n; ++r) {
    if (r % 4096 == 0 && control.stop != nullptr && *control.stop) {
      fail(ErrorKind::cancelled, "the run was stopped");
    }
    const Ns t = table.arrival_ns[r];
    for (std::uint32_t p = 0; p < parts; ++p) {
      const std::size_t first = sharded ? share * p : 0;
      const std::uint64_t entity = std::uint64_t{r} * parts + p;
      const routing::Candidates candidates{
          std::span(load).subspan(first, share), std::span(kv).subspan(first, share),
          std::span(weight).subspan(first, share), static_cast<std::int32_t>(first)};
      const routing::Arrival arrival{r, entity, 0};
      const std::int32_t server =
          candidates.first +
          std::visit([&](auto& rule) { return rule.pick(candidates, arrival, routing); }, router);
      const auto at = static_cast<std::size_t>(server);
      Line& line = lines[at];
      Kind& kind = kinds[kind_of[at]];
      const Ns start = line.start(t);
      Ns service =
          round_half_even_checked(kind.s_ns * kind.law.factor(entity, 0), "fleet.server.s0_ms");
      if (line.idle(start)) {
        ++run.fleet.wakeups;
        service += wakeup;
      }
      line.serve(start + service);
      totals.max_waiting = std::max(totals.max_waiting, line.waiting(t, start));
      totals.max_running =
          std::max(totals.max_running, std::max<std::int64_t>(1, line.busy(start)));
      totals.busy_ns += service;
      waiting += start - t;
      if (last_packet[at] != t) {
        ++run.fleet.packets;
        last_packet[at] = t;
      }
      ends[p] = {start + service, server, p, start};
    }
    if (quorum == parts) {
      std::swap(ends[parts - 1], *std::max_element(ends.begin(), ends.end()));
    } else {
      std::nth_element(ends.begin(), ends.begin() + static_cast<std::ptrdiff_t>(quorum - 1),
                       ends.end());
    }
    const End& decides = ends[quorum - 1];
    c.arrival_ns[r] = t;
    c.scheduled_ns[r] = decides.start;
    c.first_token_ns[r] = c.finish_ns[r] = decides.finish;
    c.server[r] = decides.server;
    c.copies[r] = static_cast<std::int32_t>(parts);
    c.queue_ns[r] = decides.start - t;
    if (s.record_waterfall) c.compute_ns[r] = decides.finish - decides.start;
    run.last_end = std::max(run.last_end, decides.finish);
    if (!deadlines.empty()) {
      const auto level = table.priority.empty() ? 0 : static_cast<std::size_t>(table.priority[r]);
      const Ns deadline = t + deadlines[std::min(level, deadlines.size() - 1)];
      if (decides.finish > deadline) ++run.fleet.deadline_misses;
    }
  }
  run.first_arrival = n > 0 ? table.arrival_ns[0] : 0;
  totals.waiting_integral = waiting;
  totals.running_integral = totals.busy_ns;
  totals.terms.compute_ns = totals.busy_ns;
  run.fleet.servers = static_cast<std::int64_t>(lines.size());
  run.fleet.sub_requests = run.fleet.batches = run.fleet.served = std::int64_t{n} * parts;
  run.fleet.has_deadlines = !deadlines.empty();
  return run;
}

}  // namespace kvsim
