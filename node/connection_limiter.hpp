// ConnectionLimiter: how often one host may connect.
//
// A token bucket for each address: `burst` connections at once, then one each `interval_ns`. A
// member that lost its connection tries a few times a second; whoever tries much more often is
// broken or hostile, and every attempt costs this node the arithmetic of a handshake.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "engine/async/clock.hpp"

namespace scoutfs::node {

class ConnectionLimiter {
 public:
  struct Options {
    std::uint64_t burst = 50;
    TimeNs interval_ns = 50 * kMillisecond;
    std::size_t addresses_max = 1024;  // remembered; what is full again is forgotten first
  };

  explicit ConnectionLimiter(Options options) : options_(options) {}

  // Whether a connection from `ip` may be taken now; if so it counts.
  bool admit(std::uint32_t ip, TimeNs now_ns) {
    TimeNs& full_at_ns = bucket(ip, now_ns);
    const TimeNs start_ns = full_at_ns > now_ns ? full_at_ns : now_ns;
    if (start_ns + options_.interval_ns > now_ns + options_.burst * options_.interval_ns) {
      return false;
    }
    full_at_ns = start_ns + options_.interval_ns;
    return true;
  }
  std::size_t remembered() const { return full_at_ns_.size(); }

 private:
  TimeNs& bucket(std::uint32_t ip, TimeNs now_ns) {
    if (full_at_ns_.size() >= options_.addresses_max && !full_at_ns_.contains(ip)) {
      std::erase_if(full_at_ns_,
                    [now_ns](const auto& entry) { return entry.second <= now_ns; });
      // All of them connect too often: they share what is left.
      if (full_at_ns_.size() >= options_.addresses_max) return full_at_ns_.begin()->second;
    }
    return full_at_ns_[ip];
  }

  Options options_;
  std::map<std::uint32_t, TimeNs> full_at_ns_;  // by address: when its bucket is full again
};

}  // namespace scoutfs::node
