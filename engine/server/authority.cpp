#include "engine/server/authority.hpp"

#include <algorithm>
#include <string>

#include "engine/base/codec.hpp"
#include "engine/env/drift.hpp"

namespace scoutfs::server {

StorageAuthority::StorageAuthority(Env env, Options options, std::function<void()> on_accepted)
    : env_(env),
      options_(std::move(options)),
      on_accepted_(std::move(on_accepted)),
      cancellation_(env.scheduler),
      scope_(env.scheduler) {}

TimeNs StorageAuthority::end_ns() const {
  if (!options_.votes_end_ns) return storage_end_ns_;
  return std::min(storage_end_ns_, options_.votes_end_ns());
}

Task<void> StorageAuthority::ask() {
  // A fence refuses reads as well, so any block tells.
  std::string block(kBlockSize, '\0');
  while (!stopping_) {
    const TimeNs asked_ns = env_.clock.now_ns();
    const auto out = std::as_writable_bytes(std::span(block));
    const Result<void> accepted = co_await env_.device.read(BlockNo{0}, out);
    if (accepted.has_value()) {
      storage_end_ns_ = asked_ns + counted_short(options_.lease_ns);
      on_accepted_();
    }
    co_await Sleep(env_.scheduler, options_.interval_ns, &cancellation_);
  }
}

Task<void> StorageAuthority::stop() {
  stopping_ = true;
  cancellation_.request();
  co_await scope_.drain();
}

}  // namespace scoutfs::server
