#include "kvsim/fleet/link.hpp"

#include <algorithm>

namespace kvsim {

namespace {
// Entities of the channel's own draws, apart from those of messages.
constexpr std::uint64_t channel_entity = std::uint64_t{1} << 63;
}  // namespace

Link::Link(const LinkSpec& spec, std::uint64_t seed, std::uint64_t direction)
    : spec_(spec),
      direction_(direction),
      law_(spec.jitter, seed, Purpose::link),
      channel_(seed, Purpose::link) {}

bool Link::bad_at(Ns t) {
  while (t >= channel_until_) {
    bad_ = !bad_;
    const double mean_s = bad_ ? spec_.channel->bad_s : spec_.channel->good_s;
    const double s = exponential(channel_, channel_entity + direction_, sojourns_++, mean_s);
    channel_until_ += std::max<Ns>(1, ns_from_s(s, "fleet.uplink.channel"));
  }
  return bad_;
}

Ns Link::delay(Ns t, std::uint64_t entity, std::uint64_t draw, std::int64_t tokens) {
  double alpha_ns = spec_.alpha_ms * 1e6 * law_.factor(entity, 2 * draw + direction_);
  if (spec_.channel && bad_at(t)) alpha_ns *= spec_.channel->bad_factor;
  const Ns alpha = round_half_even_checked(alpha_ns, "fleet.uplink.alpha_ms");
  if (!spec_.bytes_per_s) return alpha;
  const double bytes = spec_.message_bytes + spec_.bytes_per_token * static_cast<double>(tokens);
  const Ns passing = ns_from_s(bytes / *spec_.bytes_per_s, "fleet.uplink.message_bytes");
  if (!spec_.shared) return alpha + passing;
  free_ = std::max(free_, t) + passing;
  return alpha + free_ - t;
}

}  // namespace kvsim
