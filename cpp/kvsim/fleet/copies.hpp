// The sub-requests that are under way: a slot a request, a part a sub-request, two copies a part
// (the second is the hedge). A slot is used again when no copy of it is left.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kvsim/core/time.hpp"

namespace kvsim {

enum class CopyState : std::uint8_t {
  none,  // not sent
  held,  // no server is up
  uplink,
  at_server,
  downlink,
  done,
  dead,  // cancelled, lost or rejected
};

struct Copy {
  Ns sent = 0;
  Ns reached = 0;
  Ns start = 0;              // one-shot: of its batch
  Ns completed = 0;          // at the server
  std::uint64_t handle = 0;  // the server's
  std::int32_t server = -1;
  CopyState state = CopyState::none;
  bool cancelled = false;    // called back while in the uplink
  bool turned_away = false;  // by the server, before its last token
  std::uint32_t attempt = 0;

  [[nodiscard]] bool under_way() const {
    return state == CopyState::held || state == CopyState::uplink ||
           state == CopyState::at_server || state == CopyState::downlink;
  }
};

struct Part {
  std::array<Copy, 2> copy;
  bool done = false;
  bool failed = false;
};

struct Slot {
  std::uint32_t request = 0;
  std::uint32_t generation = 0;
  Ns dispatched = 0;
  std::int32_t live = 0;  // copies under way
  std::int32_t answered = 0;
  std::int32_t failed = 0;  // parts
  bool ended = false;
};

class Copies {
 public:
  explicit Copies(std::int64_t parts) : parts_(static_cast<std::uint32_t>(parts)) {}

  [[nodiscard]] std::uint32_t parts() const { return parts_; }
  std::uint32_t open(std::uint32_t request, Ns now) {
    if (spare_.empty()) {
      spare_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
      all_.resize(all_.size() + parts_);
    }
    const std::uint32_t s = spare_.back();
    spare_.pop_back();
    slots_[s] = {request, slots_[s].generation, now, 0, 0, 0, false};
    for (std::uint32_t p = 0; p < parts_; ++p) all_[s * parts_ + p] = Part{};
    return s;
  }
  void close(std::uint32_t s) {
    ++slots_[s].generation;
    spare_.push_back(s);
  }

  [[nodiscard]] Slot& slot(std::uint32_t s) { return slots_[s]; }
  [[nodiscard]] Part& part(std::uint32_t s, std::uint32_t p) { return all_[s * parts_ + p]; }
  // Ids of copies.
  [[nodiscard]] std::uint32_t id(std::uint32_t s, std::uint32_t p, std::uint32_t which) const {
    return 2 * (s * parts_ + p) + which;
  }
  [[nodiscard]] std::uint32_t slot_of(std::uint32_t id) const { return id / 2 / parts_; }
  [[nodiscard]] std::uint32_t part_of(std::uint32_t id) const { return id / 2 % parts_; }
  [[nodiscard]] Part& part_at(std::uint32_t id) { return all_[id / 2]; }
  [[nodiscard]] Copy& copy(std::uint32_t id) { return all_[id / 2].copy[id % 2]; }

 private:
  std::uint32_t parts_;
  std::vector<Slot> slots_;
  std::vector<Part> all_;
  std::vector<std::uint32_t> spare_;
};

}  // namespace kvsim
