// Rows for record = steps and all.
#pragma once

#include <cstdint>

#include "kvsim/result.hpp"
#include "kvsim/scheduler/state.hpp"

namespace kvsim {

class StepRecorder {
 public:
  explicit StepRecorder(Record record)
      : steps_on_(record == Record::steps || record == Record::all),
        entries_on_(record == Record::all) {}

  [[nodiscard]] bool steps_on() const { return steps_on_; }
  [[nodiscard]] bool entries_on() const { return entries_on_; }

  struct Row {
    Ns t_ns;
    Terms terms;
    std::int64_t scheduled, tokens, context, running, waiting, free_scheduled;
  };
  // After schedule(): everything but what is free when the output has been processed.
  void step(const Row& row, const std::vector<Preempted>& preempted);
  void end_step(std::int64_t free_end) { steps.free_blocks_end.push_back(narrow(free_end)); }

  // One scheduled request, the blocks that it took (all of its table if new or resumed) and how
  // many tokens the model returned for it.
  void entry(const Entry& e, const std::uint32_t* blocks, std::int64_t count,
             std::int32_t sampled) {
    hash_ = (hash_ ^ (e.id + 1ULL)) * prime;
    for (std::int64_t i = 0; i < count; ++i) hash_ = (hash_ ^ blocks[i]) * prime;
    entries.step.push_back(narrow(static_cast<std::int64_t>(steps.t_ns.size())));
    entries.request.push_back(static_cast<std::int32_t>(e.id));
    entries.kind.push_back(e.kind);
    entries.computed.push_back(e.computed);
    entries.tokens.push_back(e.tokens);
    entries.drafts.push_back(e.drafts);
    entries.sampled.push_back(sampled);
    ++scheduled_;
  }
  // The same for the i-th entry of the step just recorded, where it is known only now.
  void sampled(std::int64_t i, std::int32_t tokens) {
    entries.sampled[entries.sampled.size() - static_cast<std::size_t>(last_scheduled_ - i)] =
        tokens;
  }

  // Batches in flight: the row just written starts and ends executing then.
  void batch(Ns start, Ns end, std::int64_t in_flight) {
    steps.start_ns.push_back(start);
    steps.end_ns.push_back(end);
    steps.in_flight.push_back(narrow(in_flight));
    steps.processed_ns.push_back(0);
    steps.free_blocks_end.push_back(0);
  }
  [[nodiscard]] std::size_t next_row() const { return steps.t_ns.size(); }
  [[nodiscard]] std::size_t next_entry() const { return entries.step.size(); }
  void fate(std::size_t entry, char what, bool samples) {
    entries.fate.resize(entries.step.size(), '-');
    entries.fate[entry] = what;
    entries.sampled[entry] = samples ? 1 : 0;
  }
  void processed(std::size_t row, Ns t, std::int64_t free_end) {
    steps.processed_ns[row] = t;
    steps.free_blocks_end[row] = narrow(free_end);
  }

  StepColumns steps;
  EntryColumns entries;

 private:
  static constexpr std::uint64_t offset_basis = 1469598103934665603ULL;
  static constexpr std::uint64_t prime = 1099511628211ULL;
  static std::int32_t narrow(std::int64_t x) { return static_cast<std::int32_t>(x); }

  bool steps_on_;
  bool entries_on_;
  std::uint64_t hash_ = offset_basis;
  std::int64_t scheduled_ = 0;
  std::int64_t last_scheduled_ = 0;
};

}  // namespace kvsim
