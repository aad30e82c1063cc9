// Token-level replicas as the fleet loop drives them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "kvsim/fleet/copies.hpp"
#include "kvsim/fleet/one_shot_servers.hpp"
#include "kvsim/server/token_server.hpp"

namespace kvsim {

class TokenServers {
 public:
  static constexpr bool tokens = true;
  using Maker = std::function<std::unique_ptr<TokenServer>(std::size_t server)>;

  TokenServers(std::size_t count, const RequestTable& table, Maker make)
      : table_(table), make_(std::move(make)), alive_(count) {
    for (std::size_t s = 0; s < count; ++s) start(s);
  }

  [[nodiscard]] std::size_t size() const { return alive_.size(); }
  [[nodiscard]] NextAct next(std::size_t s) const { return here(s).next(); }

  // A handle holds which life of the server it is, and the request's id there.
  std::uint64_t submit(std::size_t s, Ns t, const SubRequest& sub) {
    Life& life = lives_[alive_[s]];
    const std::uint32_t r = life.server->submit(t, table_, sub.request);
    life.copies.push_back(sub.copy);
    life.over.push_back(0);
    return std::uint64_t{alive_[s]} << 32 | r;
  }
  bool cancel(std::size_t s, Ns /*t*/, std::uint64_t handle) {
    const auto r = static_cast<std::uint32_t>(handle);
    Life& life = lives_[alive_[s]];
    if (!life.server->cancel(r)) return false;
    life.over[r] = 1;
    return true;
  }

  template <class Done, class Started>
  void act(std::size_t s, const NextAct& a, Ns bound, Done&& done, Started&& /*started*/) {
    Life& life = lives_[alive_[s]];
    if (a.phase == 1) return life.server->run_to(bound);
    const std::uint32_t r = life.server->pop();
    life.over[r] = 1;
    done(life.copies[r], 0, a.time);
  }

  // Whether the server gave the request up when its budget of preemptions was used up.
  [[nodiscard]] bool turned_away(std::uint64_t handle) const {
    return lives_[handle >> 32].server->ledger().was_rejected(
        static_cast<std::uint32_t>(handle & 0xFFFFFFFFU));
  }

  // What it has is lost, what its step under way would have finished too, and its cache. It comes
  // back as a new replica.
  template <class Lost>
  void fail(std::size_t s, Ns /*t*/, Lost&& lost) {
    const Life& life = lives_[alive_[s]];
    for (std::size_t r = 0; r < life.copies.size(); ++r) {
      if (life.over[r] == 0) lost(life.copies[r]);
    }
    start(s);
  }
  void recover(std::size_t /*s*/, Ns /*t*/) {}
  void set_slowdown(std::size_t s, double factor) { here(s).set_slowdown(factor); }

  // The row of a request that this copy's answer decided at time t.
  void record(const Copy& copy, std::uint32_t r, Ns t, RequestColumns& c) {
    TokenServer& server = *lives_[copy.handle >> 32].server;
    const auto q = static_cast<std::size_t>(copy.handle & 0xFFFFFFFFU);
    const RequestColumns& own = server.ledger().columns;
    const Ns front_end = server.front_end().delay(table_.prompt_tokens[r]);
    c.scheduled_ns[r] = own.scheduled_ns[q];
    c.first_token_ns[r] = own.first_token_ns[q] + (t - copy.completed);
    c.output_tokens[r] = own.output_tokens[q];
    c.num_preemptions[r] = own.num_preemptions[q];
    c.cached_tokens[r] = own.cached_tokens[q];
    const bool stopped = !table_.stop_after.empty() && table_.stop_after[r] > 0 &&
                         table_.stop_after[r] == own.output_tokens[q];
    c.finish_reason[r] =
        static_cast<std::uint8_t>(stopped ? FinishReason::stop : FinishReason::length);
    c.queue_ns[r] = own.scheduled_ns[q] - copy.reached - front_end;
    if (c.frontend_ns.empty()) return;
    c.frontend_ns[r] = front_end;
    for (auto column :
         {&RequestColumns::host_ns, &RequestColumns::compute_ns, &RequestColumns::hbm_ns,
          &RequestColumns::comm_ns, &RequestColumns::preempted_ns, &RequestColumns::redo_ns,
          &RequestColumns::bubble_ns}) {
      (c.*column)[r] = (own.*column)[q];
    }
    if (c.ttft_host_ns.empty()) return;
    for (auto column : {&RequestColumns::ttft_host_ns, &RequestColumns::ttft_compute_ns,
                        &RequestColumns::ttft_hbm_ns, &RequestColumns::ttft_comm_ns,
                        &RequestColumns::ttft_preempted_ns, &RequestColumns::ttft_redo_ns,
                        &RequestColumns::ttft_bubble_ns}) {
      (c.*column)[r] = (own.*column)[q];
    }
  }

  // Sums over the run; checks Little's law at every replica that did not fail.
  void finish(RunTotals& totals, FleetTotals& fleet);

 private:
  struct Life {
    std::unique_ptr<TokenServer> server;
    std::vector<std::uint32_t> copies;  // by the request's id there
    std::vector<std::uint8_t> over;     // answered or aborted
  };

  [[nodiscard]] TokenServer& here(std::size_t s) const { return *lives_[alive_[s]].server; }
  void start(std::size_t s) {
    alive_[s] = static_cast<std::uint32_t>(lives_.size());
    lives_.push_back({make_(s), {}, {}});
  }

  const RequestTable& table_;
  Maker make_;
  std::vector<std::uint32_t> alive_;  // by server: its present life
  std::vector<Life> lives_;
};

}  // namespace kvsim
