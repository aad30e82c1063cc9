#include "runner/sweep.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "kvsim/core/error.hpp"
#include "kvsim/metrics/summary.hpp"
#include "kvsim/scenario/scenario_json.hpp"
#include "kvsim/workload/build.hpp"
#include "runner/memory.hpp"

namespace kvsim::runner {
namespace {

// The status of a point whose simulation failed; none if the error is not the point's own.
std::optional<Status> status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::config:
      return Status::invalid;
    case ErrorKind::infeasible:
      return Status::infeasible;
    case ErrorKind::livelock:
      return Status::livelock;
    case ErrorKind::invariant:
    case ErrorKind::deadline:
    case ErrorKind::cancelled:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

Sweep::Sweep(json::Value base, Points points, const Catalog& catalog, const Datasets& datasets)
    : base_(std::move(base)),
      points_(std::move(points)),
      catalog_(catalog),
      datasets_(datasets),
      share_requests_(points_.may_share_requests()),
      finished_(points_.size(), 0),
      status_(points_.size(), 0),
      calibration_(points_.size(), 0),
      values_(points_.size() * summary_fields().size(), std::numeric_limits<double>::quiet_NaN()) {}

json::Value Sweep::scenario(std::size_t i) const {
  json::Value tree = base_;
  points_.apply(i, tree);
  return tree;
}

std::span<const double> Sweep::column(std::size_t summary_field) const {
  return std::span(values_).subspan(summary_field * size(), size());
}

std::shared_ptr<const Result> Sweep::result(std::size_t i) const {
  const std::lock_guard lock(rare_);
  const auto found = results_.find(i);
  return found == results_.end() ? nullptr : found->second;
}

void Sweep::drop_result(std::size_t i) {
  const std::lock_guard lock(rare_);
  results_.erase(i);
}

std::vector<std::size_t> Sweep::take_finished() {
  const std::lock_guard lock(fresh_mutex_);
  return std::exchange(fresh_, {});
}

std::string Sweep::reason_of(std::size_t i) const {
  const std::lock_guard lock(rare_);
  const auto found = reasons_.find(i);
  return found == reasons_.end() ? std::string{} : found->second;
}

std::vector<std::string> Sweep::warnings_of(std::size_t i) const {
  const std::lock_guard lock(rare_);
  std::vector<std::string> out;
  const auto found = warnings_.find(i);
  if (found == warnings_.end()) return out;
  for (const std::size_t text : found->second) out.push_back(warning_texts_[text]);
  return out;
}

std::map<std::size_t, std::string> Sweep::reasons() const {
  const std::lock_guard lock(rare_);
  return reasons_;
}

std::map<std::string, std::vector<std::size_t>> Sweep::warnings() const {
  const std::lock_guard lock(rare_);
  std::map<std::string, std::vector<std::size_t>> out;
  for (const auto& [point, texts] : warnings_) {
    for (const std::size_t text : texts) out[warning_texts_[text]].push_back(point);
  }
  return out;
}

void Sweep::note_keys(std::map<std::string, std::string> datasets, std::string version) {
  keys_ = std::make_unique<ContentKeys>(base_, points_, std::move(datasets), std::move(version));
  noted_.resize(size());
  is_noted_.assign(size(), 0);
}

void Sweep::keys(std::span<const std::int64_t> points, int threads, Digest* out) {
  std::atomic<std::size_t> next{0};
  StopFlag stop;
  const auto work = [&](int) {
    for (std::size_t k = next++; k < points.size(); k = next++) {
      const auto i = static_cast<std::size_t>(points[k]);
      if (is_noted_[i] == 0) note_key(i);
      out[k] = noted_[i];
    }
  };
  run_watched(threads, work, stop, [] { return true; });
}

// Of a point that has not run, or is invalid.
void Sweep::note_key(std::size_t i) {
  const json::Value tree = scenario(i);
  try {
    noted_[i] = keys_->of(i, from_json<Scenario>(tree));
  } catch (const Error&) {
    noted_[i] = keys_->of_invalid(tree);
  }
  is_noted_[i] = 1;
}

Sweep::End Sweep::run(int threads, const Watch& watch, std::optional<double> deadline_s) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  bool late = false;
  bool stopped = false;
  StopFlag stop;
  next_ = 0;
  const auto most = static_cast<int>(std::min<std::size_t>(size(), 1U << 16));
  run_watched(
      std::max(1, std::min(threads, most)), [&](int) { work(stop); }, stop,
      [&] {
        watch_memory();
        late = late || (deadline_s &&
                        std::chrono::duration<double>(Clock::now() - start).count() >= *deadline_s);
        stopped = stopped || !watch(done_);
        return !late && !stopped;
      });
  if (done_ == size()) {
    watch(done_);
    return End::finished;
  }
  return stopped ? End::stopped : End::deadline;
}

void Sweep::work(StopFlag& stop) {
  const Inputs inputs{
      .catalog = &catalog_, .datasets = &datasets_, .control = {.stop = &stop.value}};
  while (!stop.value) {
    const std::size_t i = next_.fetch_add(1);
    if (i >= size()) return;
    if (finished_[i] == 0) run_point(i, inputs);
  }
}

void Sweep::run_point(std::size_t i, const Inputs& inputs) {
  try {
    const auto point = from_json<Scenario>(scenario(i));
    if (keys_) {
      noted_[i] = keys_->of(i, point);
      is_noted_[i] = 1;
    }
    check_memory(point, datasets_);
    store(i, simulate_point(point, inputs), point.record != Record::summary);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) return;
    const std::optional<Status> status = status_of(error.kind());
    if (!status) throw;
    store_failure(i, *status, error.what());
  }
  announce(i);
}

void Sweep::announce(std::size_t i) {
  finished_[i] = 1;
  {
    const std::lock_guard lock(fresh_mutex_);
    fresh_.push_back(i);
  }
  done_.fetch_add(1);
}

Result Sweep::simulate_point(const Scenario& scenario, const Inputs& inputs) {
  if (!share_requests_) return simulate(scenario, inputs);
  const bool keys = scenario.engine.enable_prefix_caching;
  std::string key = json::write(to_json(scenario.workload));
  key.append("/").append(std::to_string(scenario.seed));
  if (keys) key.append("/").append(std::to_string(scenario.engine.block_size));
  const auto table = tables_.get(key, [&] {
    return build_requests(scenario.workload, datasets_, scenario.engine.block_size, scenario.seed,
                          keys, inputs.control);
  });
  return simulate(scenario, inputs, *table);
}

void Sweep::store(std::size_t i, Result result, bool keep) {
  status_[i] = static_cast<std::uint8_t>(result.status);
  calibration_[i] = static_cast<std::uint8_t>(result.trust.calibration);
  for (std::size_t f = 0; f < result.summary.size(); ++f)
    values_[f * size() + i] = result.summary[f];
  if (!keep && result.reason.empty() && result.warnings.empty()) return;
  const std::lock_guard lock(rare_);
  for (const std::string& text : result.warnings) {
    const auto known = std::ranges::find(warning_texts_, text);
    warnings_[i].push_back(static_cast<std::size_t>(known - warning_texts_.begin()));
    if (known == warning_texts_.end()) warning_texts_.push_back(text);
  }
  if (!result.reason.empty()) reasons_[i] = result.reason;
  if (keep) results_[i] = std::make_shared<const Result>(std::move(result));
}

void Sweep::store_failure(std::size_t i, Status status, std::string reason) {
  status_[i] = static_cast<std::uint8_t>(status);
  const std::lock_guard lock(rare_);
  reasons_[i] = std::move(reason);
}

}  // namespace kvsim::runner
