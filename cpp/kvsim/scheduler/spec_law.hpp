// How many drafts are proposed and accepted, draft by draft. Whether the draft of an output token
// is accepted depends on (seed, request, place of the token) alone, not on the schedule, so that
// two configurations with one seed see the same luck.
#pragma once

#include <algorithm>
#include <cstdint>
#include <variant>
#include <vector>

#include "kvsim/core/distributions.hpp"
#include "kvsim/core/philox.hpp"
#include "kvsim/scheduler/config.hpp"

namespace kvsim {

// ---- the hash law of the golden traces, uniform on 0..k ----

inline std::uint64_t splitmix64(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

inline std::int32_t spec_draw(std::uint64_t seed, std::uint64_t salt, std::uint64_t request,
                              std::uint64_t outputs, std::int64_t k) {
  const std::uint64_t mixed = ((seed * 65536 + salt) << 40) ^ (request << 20) ^ outputs;
  return static_cast<std::int32_t>(splitmix64(mixed) % static_cast<std::uint64_t>(k + 1));
}

inline constexpr std::uint64_t salt_accept = 0x4143;
inline constexpr std::uint64_t salt_propose = 0x5052;

// ---- all laws ----

class SpecLaw {
 public:
  explicit SpecLaw(const SchedulerConfig& c)
      : k_(c.drafts),
        hash_(std::holds_alternative<HashAcceptance>(c.acceptance)),
        ngram_(c.spec_ngram),
        match_(c.spec_match_probability),
        hash_seed_(c.spec_seed),
        accept_(c.run_seed, Purpose::spec_accept),
        propose_(c.run_seed, Purpose::spec_propose),
        request_(c.run_seed, Purpose::spec_request) {
    if (const auto* a = std::get_if<ConstantAcceptance>(&c.acceptance)) {
      by_place_.assign(static_cast<std::size_t>(k_), a->alpha);
    } else if (const auto* p = std::get_if<AcceptanceByPosition>(&c.acceptance)) {
      by_place_ = p->alphas;
    } else if (const auto* b = std::get_if<BetaAcceptance>(&c.acceptance)) {
      per_request_ = true;
      mean_ = b->mean;
      // a + b of the beta law; 0 stands for a request that always has the mean.
      size_ = b->sd > 0 ? b->mean * (1 - b->mean) / (b->sd * b->sd) - 1 : 0;
    }
  }

  // Of `drafts` that follow so many outputs of a request. `id` is the replica's own number of it,
  // `number` the run's.
  std::int32_t accepted(std::uint32_t id, std::uint32_t number, std::int64_t outputs,
                        std::int32_t drafts) {
    if (hash_) {
      const auto n = static_cast<std::uint64_t>(outputs);
      return std::min(drafts, spec_draw(hash_seed_, salt_accept, id, n, k_));
    }
    const double own = per_request_ ? alpha(number) : 0;
    std::int32_t n = 0;
    while (n < drafts) {
      const double a = per_request_ ? own : by_place_[static_cast<std::size_t>(n)];
      if (!(unit(word(accept_, number, outputs + n)) < a)) break;
      ++n;
    }
    return n;
  }

  // For the next step of a request with so many outputs.
  [[nodiscard]] std::int32_t proposed(std::uint32_t id, std::uint32_t number,
                                      std::int64_t outputs) const {
    const auto all = static_cast<std::int32_t>(k_);
    if (!ngram_) return all;
    if (hash_) {
      return spec_draw(hash_seed_, salt_propose, id, static_cast<std::uint64_t>(outputs), k_);
    }
    return unit(word(propose_, number, outputs)) < match_ ? all : 0;
  }

 private:
  // Four neighbouring tokens share a block of random words.
  static std::uint64_t word(const Stream& stream, std::uint32_t request, std::int64_t place) {
    const auto p = static_cast<std::uint64_t>(place);
    return stream.block(request, p / 4)[p % 4];
  }

  // The probability of a request: gamma(a) / (gamma(a) + gamma(b)) has the beta law of a and b.
  double alpha(std::uint32_t number) {
    if (size_ == 0) return mean_;
    if (number >= alphas_.size()) alphas_.resize(std::size_t{number} + 1, -1.0);
    double& a = alphas_[number];
    if (a < 0) {
      const double x = gamma(request_, number, 0, mean_ * size_, 1.0);
      const double y = gamma(request_, number, 1'000'000, (1 - mean_) * size_, 1.0);
      a = x + y > 0 ? x / (x + y) : mean_;
    }
    return a;
  }

  std::int64_t k_;
  bool hash_;
  bool ngram_;
  double match_;
  std::uint64_t hash_seed_;
  Stream accept_;
  Stream propose_;
  Stream request_;
  std::vector<double> by_place_;
  bool per_request_ = false;
  double mean_ = 0;
  double size_ = 0;
  std::vector<double> alphas_;  // by number; below 0: not drawn yet
};

}  // namespace kvsim
