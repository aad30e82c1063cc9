// Arrival times. Of sessions, the first turn's; the later ones are set off by finishes.

#include <algorithm>
#include <string>
#include <variant>

#include "kvsim/core/distributions.hpp"
#include "kvsim/core/error.hpp"
#include "kvsim/core/philox.hpp"
#include "kvsim/scenario/json.hpp"
#include "kvsim/workload/source.hpp"

namespace kvsim {

namespace {

constexpr Ns latest_arrival_ns = Ns{1} << 62;

class Times {
 public:
  explicit Times(const WorkloadSource& source)
      : source_(source), count_(static_cast<std::size_t>(source.starts())), times_(count_) {}

  std::vector<Ns> operator()(const Poisson& p) {
    // Four requests to a block of random words: i takes word i % 4 of block i / 4.
    const Stream stream(source_.seed, Purpose::arrivals);
    Block words{};
    return renewal(p.rate_per_s, [&](std::uint64_t i) {
      if (i % 4 == 0) words = stream.block(i / 4);
      return exponential(words[i % 4]);
    });
  }
  std::vector<Ns> operator()(const GammaArrivals& p) {
    const double shape = 1 / (p.cv * p.cv);
    const Stream stream(source_.seed, Purpose::arrivals);
    return renewal(p.rate_per_s,
                   [&](std::uint64_t i) { return gamma(stream, i, 0, shape, 1 / shape); });
  }
  std::vector<Ns> operator()(const Deterministic& p) {
    return renewal(p.rate_per_s, [](std::uint64_t) { return 1.0; });
  }
  std::vector<Ns> operator()(const Burst&) { return std::move(times_); }
  std::vector<Ns> operator()(const ClosedLoop& p) {
    const auto clients = static_cast<std::size_t>(p.concurrency);
    if (clients < count_) {
      std::fill(times_.begin() + static_cast<std::ptrdiff_t>(clients), times_.end(), -1);
    }
    return std::move(times_);
  }
  std::vector<Ns> operator()(const TraceArrivals& p) {
    repeat_trace();
    const Ns span = times_.back();
    if (!p.rate_per_s) {
      if (p.time_scale != 1.0) {
        scale(p.time_scale, "workload.arrivals.time_scale", p.time_scale);
      }
    } else if (count_ > 1) {
      if (span == 0) {
        bad_field("workload.arrivals.rate_per_s", json::write_double(*p.rate_per_s),
                  "null: the requests of dataset " + quoted(source_.dataset_name) +
                      " all arrive at one time");
      }
      scale(static_cast<double>(count_ - 1) * 1e9 / *p.rate_per_s / static_cast<double>(span),
            "workload.arrivals.rate_per_s", *p.rate_per_s);
    }
    return std::move(times_);
  }

 private:
  // Gaps of mean 1 are summed in double and scaled to the mean gap: so a rate only stretches time.
  template <class Gap>
  std::vector<Ns> renewal(double rate_per_s, Gap&& gap) {
    const double gap_ns = 1e9 / rate_per_s;
    double sum = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      source_.control.poll(i);
      sum += gap(i);
      times_[i] = arrival(sum * gap_ns, "workload.arrivals.rate_per_s", rate_per_s);
    }
    return std::move(times_);
  }

  void scale(double factor, std::string_view path, double value) {
    for (Ns& t : times_) t = arrival(static_cast<double>(t) * factor, path, value);
  }

  // The trace's times from its first row on. Repeated, it starts anew one mean gap after its end.
  void repeat_trace() {
    const std::vector<Ns>& trace = source_.dataset->arrival_ns;
    if (trace.empty()) {
      bad_field("workload.arrivals", "\"trace\"",
                "another kind: dataset " + quoted(source_.dataset_name) +
                    " has lengths but no arrival times");
    }
    const std::size_t rows = std::min(trace.size(), count_);
    for (std::size_t row = 1; row < rows; ++row) {
      if (trace[row] < trace[row - 1]) {
        bad_field("workload.lengths.name",
                  "a time before the row above in " + source_.row_text(row),
                  "arrival times that do not decrease");
      }
    }
    for (std::size_t row = 0; row < rows; ++row) times_[row] = trace[row] - trace[0];
    if (rows == count_) return;
    if (rows == 1) {
      bad_field("workload.num_requests", std::to_string(count_),
                "1: dataset " + quoted(source_.dataset_name) +
                    " has one row, so there is no gap to repeat it after");
    }
    const Ns length = times_[rows - 1];
    const Ns period = length + round_half_even_checked(
                                   static_cast<double>(length) / static_cast<double>(rows - 1),
                                   "workload.lengths.name");
    if (period > 0 && static_cast<Ns>(count_ / rows) >= latest_arrival_ns / period) {
      bad_field("workload.num_requests", std::to_string(count_),
                "fewer: the repeated trace would last more than 146 years");
    }
    for (std::size_t i = rows; i < count_; ++i) times_[i] = times_[i - rows] + period;
  }

  // A time in ns that comes of the value of the field at `path`.
  Ns arrival(double at_ns, std::string_view path, double value) const {
    if (!(at_ns <= static_cast<double>(latest_arrival_ns))) {
      bad_field(path, json::write_double(value),
                "a value with which the last of " + std::to_string(count_) +
                    " requests arrives within 146 years (2^62 ns)");
    }
    return round_half_even_checked(at_ns, path);
  }

  const WorkloadSource& source_;
  std::size_t count_;
  std::vector<Ns> times_;
};

}  // namespace

void fill_arrivals(const WorkloadSource& source, RequestTable& table) {
  const Arrivals& arrivals = source.workload.arrivals;
  table.arrival_ns = std::visit(Times(source), arrivals);
  if (const auto* loop = std::get_if<ClosedLoop>(&arrivals)) {
    table.closed_loop_concurrency = loop->concurrency;
    table.closed_loop_think_ns = ns_from_ms(loop->think_time_ms);
  }
}

}  // namespace kvsim
