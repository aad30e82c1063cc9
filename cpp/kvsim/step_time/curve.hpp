// Piecewise linear functions of the token count of a step: what is computed once for a model on a
// GPU so that a step is a look-up.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace kvsim {

// GPU work: time, and the part of it that its memory traffic would take at full bandwidth.
struct Work {
  double kernel_ns = 0;
  double hbm_ns = 0;
  double comm_ns = 0;
  Work& operator+=(const Work& o) {
    kernel_ns += o.kernel_ns;
    hbm_ns += o.hbm_ns;
    comm_ns += o.comm_ns;
    return *this;
  }
  friend Work operator+(Work a, const Work& b) { return a += b; }
  friend Work operator*(double x, const Work& w) {
    return {x * w.kernel_ns, x * w.hbm_ns, x * w.comm_ns};
  }
};

// Linear between the knots and, with the last slope, beyond them.
class WorkCurve {
 public:
  // `knots` grow; work(m) is evaluated at each of them.
  template <class F>
  WorkCurve(std::vector<double> knots, F&& work) : knots_(std::move(knots)) {
    for (const double m : knots_) pieces_.push_back({m, work(m), {}});
    for (std::size_t i = 0; i + 1 < pieces_.size(); ++i) {
      pieces_[i].slope =
          (1 / (knots_[i + 1] - knots_[i])) * (pieces_[i + 1].at + (-1.0) * pieces_[i].at);
    }
    if (pieces_.size() > 1) pieces_.back().slope = pieces_[pieces_.size() - 2].slope;
    knots_.push_back(std::numeric_limits<double>::infinity());
    index(fine_, 1, fine_up_to);
    index(coarse_, coarse_step, 256);
  }

  // m >= 0.
  [[nodiscard]] Work operator()(double m) const {
    const auto whole = static_cast<std::size_t>(m);
    std::size_t i = whole < fine_.size()
                        ? fine_[whole]
                        : coarse_[std::min(whole / coarse_step, coarse_.size() - 1)];
    while (knots_[i + 1] <= m) ++i;
    const Piece& p = pieces_[i];
    return p.at + (m - p.m) * p.slope;
  }

 private:
  struct Piece {
    double m;
    Work at;
    Work slope;
  };
  // The piece of 0, step, 2 step..., at most `most` of them. A search's branches cannot be
  // predicted; from here it is none or few knots on.
  static constexpr std::size_t fine_up_to = 513;
  static constexpr std::size_t coarse_step = 64;
  void index(std::vector<std::uint32_t>& out, std::size_t step, std::size_t most) {
    std::uint32_t i = 0;
    for (std::size_t k = 0; k < most; ++k) {
      while (knots_[i + 1] <= static_cast<double>(k * step)) ++i;
      out.push_back(i);
    }
  }

  std::vector<double> knots_;  // and infinity
  std::vector<Piece> pieces_;
  std::vector<std::uint32_t> fine_;
  std::vector<std::uint32_t> coarse_;
};

// Values over growing positions, linear between them; constant below the first, in proportion to
// the position beyond the last.
class Interpolated {
 public:
  Interpolated() = default;
  Interpolated(std::vector<double> x, std::vector<double> y) : x_(std::move(x)), y_(std::move(y)) {}
  [[nodiscard]] double operator()(double x) const {
    if (x <= x_.front()) return y_.front();
    if (x >= x_.back()) return y_.back() * (x / x_.back());
    const auto i = static_cast<std::size_t>(std::upper_bound(x_.begin(), x_.end(), x) - x_.begin());
    return y_[i - 1] + (y_[i] - y_[i - 1]) * ((x - x_[i - 1]) / (x_[i] - x_[i - 1]));
  }
  [[nodiscard]] bool empty() const { return x_.empty(); }
  [[nodiscard]] const std::vector<double>& positions() const { return x_; }

 private:
  std::vector<double> x_;
  std::vector<double> y_;
};

}  // namespace kvsim
