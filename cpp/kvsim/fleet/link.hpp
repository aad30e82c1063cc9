// A network link, one way: alpha (random, perhaps with bursts of a bad channel) + bytes / beta.
#pragma once

#include <cstdint>
#include <optional>

#include "kvsim/core/time.hpp"
#include "kvsim/scenario/fleet_types.hpp"
#include "kvsim/server/law.hpp"

namespace kvsim {

class Link {
 public:
  // direction: 0 to the servers, 1 back; they have streams of their own.
  Link(const LinkSpec& spec, std::uint64_t seed, std::uint64_t direction);

  // Time under way of a message that is sent at t; calls come in order of time.
  [[nodiscard]] Ns delay(Ns t, std::uint64_t entity, std::uint64_t draw, std::int64_t tokens);

 private:
  [[nodiscard]] bool bad_at(Ns t);

  LinkSpec spec_;
  std::uint64_t direction_;
  LawSampler law_;
  Stream channel_;
  std::uint64_t sojourns_ = 0;
  bool bad_ = true;  // so that the first sojourn is a good one
  Ns channel_until_ = 0;
  Ns free_ = 0;  // shared: when the message before has passed
};

}  // namespace kvsim
