// The batches in flight, oldest first. Their slots are used again and again, so that the vectors in
// them keep their memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvsim/scheduler/lazy.hpp"
#include "kvsim/step_time/terms.hpp"

namespace kvsim {

struct Batch {
  Terms terms;
  Ns start = 0;  // on the first stage
  Ns end = 0;    // on the last stage
  Ns stage_ns = 0;
  bool samples = false;
  std::size_t row = 0;          // in the recorder
  std::size_t first_entry = 0;  // in the recorder

  // Launched by the definition: what was scheduled.
  std::vector<Entry> entries;

  // Launched lazily: which group's decodes and how many, those that get their last token included;
  // those that do; and what is handled one by one, a chunk or a decode after an irregular gap.
  std::size_t group = 0;
  std::int64_t decodes = 0;
  std::vector<OrderedId> leaving;
  std::vector<Entry> chunks;

  [[nodiscard]] bool plain() const { return chunks.empty() && leaving.empty(); }
};

class BatchQueue {
 public:
  explicit BatchQueue(std::int64_t capacity) : slots_(static_cast<std::size_t>(capacity)) {}

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(size_); }
  [[nodiscard]] Batch& front() { return slots_[head_]; }
  // The i-th oldest.
  [[nodiscard]] Batch& operator[](std::size_t i) { return slots_[wrapped(head_ + i)]; }
  [[nodiscard]] const Batch& operator[](std::size_t i) const { return slots_[wrapped(head_ + i)]; }

  // The new batch has empty lists, as its user leaves them; its other members are to be set.
  Batch& push() { return slots_[wrapped(head_ + size_++)]; }
  void pop() {
    head_ = wrapped(head_ + 1);
    --size_;
  }

 private:
  [[nodiscard]] std::size_t wrapped(std::size_t i) const {
    return i < slots_.size() ? i : i - slots_.size();
  }

  std::vector<Batch> slots_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace kvsim
