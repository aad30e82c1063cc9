#include "kvsim/server/one_shot.hpp"

namespace kvsim {

std::uint64_t OneShotServer::submit(Ns t, OneShotItem item) {
  move_to(t);
  if (waiting_ == 0) head_ = tail_;
  if (tail_ - head_ == ring_.size()) grow();
  item.waiting = true;
  item.reached = t;
  const std::uint64_t handle = tail_++;
  at(handle) = item;
  ++waiting_;
  if (edf_) {
    due_.push_back({item.deadline, handle});
    std::push_heap(due_.begin(), due_.end(), std::greater<>{});
  }
  const bool starts_now = busy_.size() < workers_ && (window_ == 0 || waiting_ >= max_batch_);
  if (!starts_now) totals.max_waiting = std::max(totals.max_waiting, waiting());
  return handle;
}

bool OneShotServer::cancel(Ns t, std::uint64_t handle) {
  if (handle < head_ || handle >= tail_ || !at(handle).waiting) return false;
  move_to(t);
  totals.sojourn += t - at(handle).reached;
  at(handle).waiting = false;
  --waiting_;
  drop_head();
  return true;
}

void OneShotServer::grow() {
  std::vector<OneShotItem> larger(2 * ring_.size());
  for (std::uint64_t h = head_; h < tail_; ++h) larger[h & (larger.size() - 1)] = at(h);
  ring_.swap(larger);
}

}  // namespace kvsim
