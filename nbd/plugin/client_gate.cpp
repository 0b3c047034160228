#include "nbd/plugin/client_gate.hpp"

#include <chrono>

#include "engine/base/assert.hpp"

namespace scoutfs::nbd {

Result<void> ClientGate::connect(Session session, std::int64_t now_ns, unsigned patience_ms) {
  std::unique_lock lock(mutex_);
  if (is_shut(session.epoch)) return fail(Errc::fenced);
  if (session < newest_) return fail(Errc::stale);
  if (session > newest_) {
    newest_ = session;
    inside_older_ += inside_newest_;
    inside_newest_ = 0;
    activity_.connections = 0;
    if (activity_.since_ns == 0) activity_.since_ns = now_ns;
  }
  const bool alone = out_.wait_for(lock, std::chrono::milliseconds(patience_ms), [&] {
    return inside_older_ == 0 || newest_ != session || is_shut(session.epoch);
  });
  if (!alone) return fail(Errc::busy);
  if (is_shut(session.epoch)) return fail(Errc::fenced);
  if (newest_ != session) return fail(Errc::stale);
  ++activity_.connections;
  return {};
}

void ClientGate::disconnect(Session session) {
  const std::lock_guard lock(mutex_);
  if (session != newest_) return;
  SCOUTFS_ASSERT(activity_.connections > 0);
  --activity_.connections;
}

bool ClientGate::enter(Session session, Kind kind, std::int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (session != newest_ || is_shut(session.epoch)) return false;
  ++inside_newest_;
  activity_.last_io_ns = now_ns;
  switch (kind) {
    case Kind::read:
      ++activity_.reads;
      break;
    case Kind::write:
      ++activity_.writes;
      break;
    case Kind::flush:
      ++activity_.flushes;
      break;
  }
  return true;
}

void ClientGate::leave(Session session) {
  {
    const std::lock_guard lock(mutex_);
    unsigned& inside = session == newest_ ? inside_newest_ : inside_older_;
    SCOUTFS_ASSERT(inside > 0);
    --inside;
  }
  out_.notify_all();
}

void ClientGate::shut(Epoch epoch) {
  {
    const std::lock_guard lock(mutex_);
    shut_epoch_ = shut_ ? std::max(shut_epoch_, epoch) : epoch;
    shut_ = true;
  }
  out_.notify_all();
}

void ClientGate::drain(Epoch epoch) {
  std::unique_lock lock(mutex_);
  SCOUTFS_ASSERT(is_shut(epoch));
  out_.wait(lock, [&] {
    const bool newest_is_meant = newest_.epoch <= epoch;
    return inside_older_ == 0 && (!newest_is_meant || inside_newest_ == 0);
  });
}

ClientGate::Activity ClientGate::activity() const {
  const std::lock_guard lock(mutex_);
  Activity activity = activity_;
  activity.session = newest_;
  activity.in_flight = inside_newest_ + inside_older_;
  activity.shut = is_shut(newest_.epoch);
  return activity;
}

}  // namespace scoutfs::nbd
