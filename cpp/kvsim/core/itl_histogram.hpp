// Inter-token latencies with their counts. A step gives the same gap to all its decodes, so there
// are as many entries as steps, not as tokens.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kvsim/core/int128.hpp"
#include "kvsim/core/quantile.hpp"
#include "kvsim/core/time.hpp"

namespace kvsim {

// Exact as long as there are at most exact_limit distinct values; with more, values from 2^11 ns on
// are counted in bins that are 0.05 to 0.1 % wide (1024 an octave) and stand for their middles, and
// exact() is false. Count, mean, minimum and maximum are exact always. What is reported depends on
// what was added, not on the order.
class ItlHistogram {
 public:
  static constexpr std::size_t exact_limit = std::size_t{1} << 20;

  struct Entry {
    Ns value_ns;
    std::uint64_t count;
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  // Counts `value_ns` (0 or more) `count` times. On the hot path: an append, now and then a sort.
  void add(Ns value_ns, std::uint64_t count = 1) {
    const auto value = static_cast<std::uint64_t>(value_ns);
    if (((value >> value_bits) | (count >> count_bits)) != 0) [[unlikely]] {
      add_large(value_ns, count);
      return;
    }
    if (buffer_.size() == buffer_.capacity()) [[unlikely]] {
      make_room();
    }
    buffer_.push_back(value << count_bits | count);
  }

  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] bool exact() const;
  // Collects gaps on the stack and appends them in one go.
  class Run {
   public:
    explicit Run(ItlHistogram& all) : all_(all) {}
    ~Run() { flush(); }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    void add(Ns value_ns, std::uint64_t count) {
      const auto value = static_cast<std::uint64_t>(value_ns);
      if (((value >> value_bits) | (count >> count_bits)) != 0) [[unlikely]] {
        all_.add(value_ns, count);
        return;
      }
      words_[size_++] = value << count_bits | count;
      if (size_ == words_.size()) flush();
    }

   private:
    void flush() {
      all_.append_packed({words_.data(), size_});
      size_ = 0;
    }
    ItlHistogram& all_;
    std::size_t size_ = 0;
    std::array<std::uint64_t, 128> words_;
  };

  // NaN if nothing was added.
  [[nodiscard]] double mean_ns() const;
  [[nodiscard]] double std_ns(int ddof = 0) const;  // 0: population, 1: sample
  // Nearest ranks (core/quantile.hpp), in the order of qs. Fails (invariant) if nothing was added.
  [[nodiscard]] std::vector<Ns> quantiles_ns(std::span<const double> qs) const;
  // All at once, which reads the entries less often; quantiles are empty if nothing was added.
  struct Statistics {
    std::uint64_t count = 0;
    double mean_ns = 0;
    double std_ns = 0;
    std::vector<Ns> quantiles_ns;
  };
  [[nodiscard]] Statistics statistics(std::span<const double> qs, int ddof = 0) const;
  [[nodiscard]] Ns min_ns() const;
  [[nodiscard]] Ns max_ns() const;
  // Values in ascending order with their counts; the bins' middles if not exact.
  [[nodiscard]] std::vector<Entry> distinct() const;

 private:
  // Of an entry in the buffer, which is one word, value above count: half the memory to touch.
  static constexpr int count_bits = 20;
  static constexpr int value_bits = 44;  // 4.9 hours

  void make_room();
  void add_large(Ns value_ns, std::uint64_t count);
  void append_packed(std::span<const std::uint64_t> words);  // as add() packs them
  // Empties the buffers into the sorted list or the bins. Const, as it changes nothing that shows.
  void compact() const;
  // Before anything is read: compacts if there may be too many distinct values, which must not wait
  // for the next add, or if the buffers have what belongs into bins.
  void settle() const;
  void count_in_bin(const Entry& entry) const;
  [[nodiscard]] detail::IntegerTotals totals() const;
  [[nodiscard]] std::vector<Ns> quantiles_of(std::uint64_t n, std::span<const double> qs) const;

  template <class F>
  void visit_buffers(const F& f) const;
  template <class F>
  void visit(const F& f) const;

  mutable std::vector<std::uint64_t> buffer_;
  mutable std::vector<Entry> large_;         // what does not fit into a word of the buffer
  mutable std::vector<Entry> sorted_;        // distinct values, while exact
  mutable std::vector<std::uint64_t> bins_;  // counts by bin; empty while exact
  mutable Int128 binned_sum_ = 0;            // of the values, not of the bins' middles
  mutable Ns binned_min_ns_ = kNever;
  mutable Ns binned_max_ns_ = 0;
};

}  // namespace kvsim
