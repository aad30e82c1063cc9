// Many simulations on several threads. The results do not depend on how many.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kvsim/scenario/json.hpp"
#include "kvsim/simulate.hpp"
#include "runner/content_keys.hpp"
#include "runner/points.hpp"
#include "runner/sha256.hpp"
#include "runner/table_cache.hpp"
#include "runner/watched.hpp"

namespace kvsim::runner {

class Sweep {
 public:
  // `base` is a whole scenario as JSON (every field, so that paths into it exist). catalog and
  // datasets must outlive the runs.
  Sweep(json::Value base, Points points, const Catalog& catalog, const Datasets& datasets);

  enum class End { finished, stopped, deadline };
  // Called on the calling thread every poll_interval and at the end, with the points done; false
  // stops the sweep.
  using Watch = std::function<bool(std::size_t done)>;

  // Runs the points that are not finished yet. A point's own error becomes its status and reason;
  // errors that are nobody's fault but the engine's (invariant, no memory) end the sweep and leave
  // as exceptions. Points cut off by a stop or by the deadline stay unfinished.
  End run(int threads, const Watch& watch, std::optional<double> deadline_s);

  [[nodiscard]] std::size_t size() const { return points_.size(); }
  [[nodiscard]] const json::Value& base() const { return base_; }
  // The whole scenario of a point, as JSON.
  [[nodiscard]] json::Value scenario(std::size_t i) const;

  // One value a point. Rows of unfinished points: 0 in finished, NaN in every column.
  [[nodiscard]] std::span<const std::uint8_t> finished() const { return finished_; }
  [[nodiscard]] std::span<const std::uint8_t> status() const { return status_; }
  [[nodiscard]] std::span<const double> column(std::size_t summary_field) const;
  [[nodiscard]] std::map<std::size_t, std::string> reasons() const;
  // What each point's step times rest on, as a Calibration; `given` for points that failed.
  [[nodiscard]] std::span<const std::uint8_t> calibration() const { return calibration_; }
  // Each warning and the points that have it, in order.
  [[nodiscard]] std::map<std::string, std::vector<std::size_t>> warnings() const;
  // What the point's `record` kept beyond the summary; null for summary, and for points that
  // failed.
  [[nodiscard]] std::shared_ptr<const Result> result(std::size_t i) const;
  void drop_result(std::size_t i);

  // The points finished since the last call, as they came. While run() works, only their rows of
  // status and columns may be read.
  [[nodiscard]] std::vector<std::size_t> take_finished();
  [[nodiscard]] std::string reason_of(std::size_t i) const;
  [[nodiscard]] std::vector<std::string> warnings_of(std::size_t i) const;
  // From now on points have keys (ContentKeys), which the threads note of each that they run.
  void note_keys(std::map<std::string, std::string> datasets, std::string version);
  // Keys of points that have run, or not; `out` has a place for each.
  void keys(std::span<const std::int64_t> points, int threads, Digest* out);

 private:
  void work(StopFlag& stop);
  void run_point(std::size_t i, const Inputs& inputs);
  Result simulate_point(const Scenario& scenario, const Inputs& inputs);
  void store(std::size_t i, Result result, bool keep);
  void store_failure(std::size_t i, Status status, std::string reason);
  void announce(std::size_t i);
  void note_key(std::size_t i);

  json::Value base_;
  Points points_;
  const Catalog& catalog_;
  const Datasets& datasets_;
  bool share_requests_;
  TableCache tables_;

  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> done_{0};
  std::vector<std::uint8_t> finished_;
  std::vector<std::uint8_t> status_;
  std::vector<std::uint8_t> calibration_;
  std::vector<double> values_;  // a column a summary field, one after the other
  mutable std::mutex rare_;     // guards what few points have
  std::map<std::size_t, std::string> reasons_;
  std::vector<std::string> warning_texts_;
  std::map<std::size_t, std::vector<std::size_t>> warnings_;  // indices of texts, by point
  std::map<std::size_t, std::shared_ptr<const Result>> results_;
  std::unique_ptr<ContentKeys> keys_;  // null: nobody wants any
  std::vector<Digest> noted_;
  std::vector<std::uint8_t> is_noted_;
  std::mutex fresh_mutex_;
  std::vector<std::size_t> fresh_;  // finished, not yet taken
};

}  // namespace kvsim::runner
