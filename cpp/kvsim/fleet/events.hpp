// What the fleet loop orders: events from outside the servers, and what each server does next.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <limits>
#include <tuple>
#include <vector>

#include "kvsim/core/time.hpp"
#include "kvsim/server/one_shot.hpp"

namespace kvsim {

// At one time events happen in this order.
enum class EventKind : std::uint8_t {
  recovery,
  failure,
  cancellation,
  answer,
  arrival,
  release,  // of the gateway's batch
  delivery,
  hedge,
};

struct Event {
  Ns time;
  EventKind kind;
  std::uint32_t id;          // copy, slot, server or release
  std::uint32_t generation;  // of the slot
  std::uint64_t order;       // of creation
  bool operator>(const Event& o) const {
    return std::tie(time, kind, order) > std::tie(o.time, o.kind, o.order);
  }
};

class EventHeap {
 public:
  void push(Ns time, EventKind kind, std::uint32_t id, std::uint32_t generation = 0) {
    heap_.push_back({time, kind, id, generation, order_++});
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>{});
  }
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] const Event& top() const { return heap_.front(); }
  [[nodiscard]] Ns next_time() const { return heap_.empty() ? kNever : heap_.front().time; }
  Event pop() {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>{});
    const Event first = heap_.back();
    heap_.pop_back();
    return first;
  }

 private:
  std::vector<Event> heap_;
  std::uint64_t order_ = 0;
};

// The server that acts next: a tournament over (time, phase, server).
class NextServer {
 public:
  using Key = std::uint64_t;
  static constexpr Key never = std::numeric_limits<Key>::max();
  [[nodiscard]] static constexpr Key key(const NextAct& act) {
    return act.time == kNever ? never
                              : 2 * static_cast<Key>(act.time) + static_cast<Key>(act.phase);
  }

  explicit NextServer(std::size_t servers)
      : leaves_(std::bit_ceil(servers)), keys_(leaves_, never), winner_(2 * leaves_) {
    for (std::size_t i = 0; i < leaves_; ++i) winner_[leaves_ + i] = static_cast<std::uint32_t>(i);
    for (std::size_t i = leaves_; i-- > 1;) winner_[i] = winner_[2 * i];
    if (leaves_ == 1) winner_[1] = 0;
  }

  void update(std::size_t server, const NextAct& act) {
    keys_[server] = key(act);
    for (std::size_t i = (leaves_ + server) / 2; i > 0; i /= 2) {
      const std::uint32_t a = winner_[2 * i];
      const std::uint32_t b = winner_[2 * i + 1];
      winner_[i] = keys_[b] < keys_[a] ? b : a;
    }
  }
  [[nodiscard]] Key first_key() const { return keys_[winner_[1]]; }
  [[nodiscard]] std::size_t first() const { return winner_[1]; }
  [[nodiscard]] NextAct first_act() const {
    return {static_cast<Ns>(first_key() / 2), static_cast<int>(first_key() % 2)};
  }
  // The time of the first among the others.
  [[nodiscard]] Ns second_time() const {
    Key best = never;
    for (std::size_t i = leaves_ + first(); i > 1; i /= 2) {
      best = std::min(best, keys_[winner_[i ^ 1]]);
    }
    return best == never ? kNever : static_cast<Ns>(best / 2);
  }

 private:
  std::size_t leaves_;
  std::vector<Key> keys_;
  std::vector<std::uint32_t> winner_;
};

}  // namespace kvsim
