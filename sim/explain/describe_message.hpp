// What a message says, for a person, and which locks it gives or gives back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/lock/lock.hpp"
#include "sim/observer.hpp"

namespace scoutfs::sim {

struct MessageContent {
  std::string text;  // empty: its kind says all
  // A grant that arrives, or a lock that is given back as far as `mode`.
  struct LockChange {
    lock::LockId id;
    lock::Mode mode{};
    GrantId grant;
  };
  std::optional<LockChange> granted, released;
};

// Of a frame that cannot be decoded: nothing.
MessageContent content_of(const Observer::Message& message);

}  // namespace scoutfs::sim
