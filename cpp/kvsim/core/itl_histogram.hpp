// Inter-token latencies with their counts. A step gives the same gap to all its decodes, so there
// are as many entries as steps, not as tokens.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <utility>
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
    if (!fits(value_ns, count)) [[unlikely]] {
      add_large(value_ns, count);
      return;
    }
    if (buffer_.size() == buffer_.capacity()) [[unlikely]] {
      make_room();
    }
    buffer_.push_back(packed(value_ns, count));
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
      if (!fits(value_ns, count)) [[unlikely]] {
        all_.add(value_ns, count);
        return;
      }
      words_[size_++] = packed(value_ns, count);
      if (size_ == words_.size()) flush();
    }
    // The first `size` of these. All are written, which takes no branches, and the rest dropped.
    template <std::size_t room>
    void add(const std::array<Ns, room>& values_ns, std::size_t size, std::uint64_t count) {
      if (size_ + room > words_.size()) flush();
      Ns all = 0;
      for (const Ns value : values_ns) all |= value;
      if (!fits(all, count)) [[unlikely]] {
        for (std::size_t i = 0; i < size; ++i) add(values_ns[i], count);
        return;
      }
      for (std::size_t i = 0; i < room; ++i) words_[size_ + i] = packed(values_ns[i], count);
      size_ += size;
      if (size_ == words_.size()) flush();
    }
    void flush() {
      all_.append_packed({words_.data(), size_});
      size_ = 0;
    }

   private:
    ItlHistogram& all_;
    std::size_t size_ = 0;
    std::array<std::uint64_t, 128> words_;
  };

  // Writes gaps in place that all have one count. Nothing else is added meanwhile.
  class Gaps {
   public:
    Gaps(ItlHistogram& all, std::uint64_t count)
        : all_(all), count_(count), limit_(fits(0, count) ? std::uint64_t{1} << value_bits : 0) {
      open();
    }
    ~Gaps() { close(); }
    Gaps(const Gaps&) = delete;
    Gaps& operator=(const Gaps&) = delete;

    void add(Ns value_ns) {
      if (static_cast<std::uint64_t>(value_ns) >= limit_ || at_ == end_) [[unlikely]] {
        return add_apart(value_ns);
      }
      *at_++ = packed(value_ns, count_);
    }

   private:
    void open();
    void close() { all_.buffer_.resize(static_cast<std::size_t>(at_ - all_.buffer_.data())); }
    void add_apart(Ns value_ns);

    ItlHistogram& all_;
    std::uint64_t count_;
    std::uint64_t limit_;  // of values that fit into a word
    std::uint64_t* at_ = nullptr;
    std::uint64_t* end_ = nullptr;
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
  // An entry in the buffer is one word, value above count - 1: half the memory to touch.
  static constexpr int count_bits = 20;
  static constexpr int value_bits = 44;  // 4.9 hours
  static constexpr std::uint64_t count_mask = (std::uint64_t{1} << count_bits) - 1;
  static constexpr bool fits(Ns value_ns, std::uint64_t count) {
    const auto value = static_cast<std::uint64_t>(value_ns);
    return ((value >> value_bits) | ((count - 1) >> count_bits)) == 0;
  }
  static constexpr std::uint64_t packed(Ns value_ns, std::uint64_t count) {
    return static_cast<std::uint64_t>(value_ns) << count_bits | (count - 1);
  }
  // Leaves new elements as they are.
  struct Untouched : std::allocator<std::uint64_t> {
    template <class>
    struct rebind {
      using other = Untouched;
    };
    void construct(std::uint64_t*) noexcept {}
    void construct(std::uint64_t* at, std::uint64_t word) noexcept { *at = word; }
  };
  // What is selected from for a quantile; see core/radix_select.hpp.
  struct Word {
    std::uint64_t bits;
    [[nodiscard]] std::uint64_t key() const { return bits >> count_bits; }
    [[nodiscard]] std::uint64_t weight() const { return (bits & count_mask) + 1; }
    // Weights above a number of items, both of a whole buffer at most.
    struct Bucket {
      std::uint64_t bits = 0;
      static constexpr int item_bits = 21;
      void add(Word word) { bits += word.weight() << item_bits | 1; }
      [[nodiscard]] std::uint64_t weight() const { return bits >> item_bits; }
      [[nodiscard]] std::size_t items() const {
        return bits & ((std::uint64_t{1} << item_bits) - 1);
      }
    };
  };

  void make_room();
  [[nodiscard]] bool thin_out();
  void add_large(Ns value_ns, std::uint64_t count);
  void append_packed(std::span<const std::uint64_t> words);
  // Empties the buffers into the sorted list or the bins. Const, as it changes nothing that shows.
  void compact() const;
  // Before anything is read: compacts if there may be too many distinct values, which must not wait
  // for the next add, or if the buffers have what belongs into bins.
  void settle() const;
  void count_in_bin(const Entry& entry) const;
  [[nodiscard]] detail::IntegerTotals totals() const;
  [[nodiscard]] std::vector<Ns> quantiles_of(const detail::IntegerTotals& all,
                                             std::span<const double> qs) const;

  template <class F>
  void visit_words(const F& f) const;
  template <class F>
  void visit_buffers(const F& f) const;
  template <class F>
  void visit_others(const F& f) const;
  template <class F>
  void visit(const F& f) const;

  mutable std::vector<std::uint64_t, Untouched> buffer_;
  mutable std::vector<Entry> large_;         // what does not fit into a word of the buffer
  mutable std::vector<Entry> sorted_;        // distinct values, while exact
  mutable std::vector<std::uint64_t> bins_;  // counts by bin; empty while exact
  mutable Int128 binned_sum_ = 0;            // of the values, not of the bins' middles
  mutable Ns binned_min_ns_ = kNever;
  mutable Ns binned_max_ns_ = 0;
};

}  // namespace kvsim
