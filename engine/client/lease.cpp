#include "engine/client/lease.hpp"

#include <algorithm>

#include "engine/env/drift.hpp"

namespace scoutfs::client {

Lease::Lease(Env env, LeaderSession& session, TimeNs interval_ns, TimeNs answer_time_ns)
    : env_(env),
      session_(session),
      interval_ns_(interval_ns),
      answer_time_ns_(answer_time_ns),
      renewed_(env.scheduler),
      cancellation_(env.scheduler),
      scope_(env.scheduler) {}

Task<void> Lease::renew() {
  while (!stopping_ && !failed_.has_value()) {
    // Sent again to the next leader if this one is lost: then it counts from here all the same.
    const TimeNs sent_ns = env_.clock.now_ns();
    const session::LeaseRequest request;
    const Result<session::LeaseAnswer> answer =
        co_await session_.call<session::LeaseAnswer>(request, &cancellation_);
    if (!answer.has_value()) co_return;
    if (answer->duration_ns > kDriftBoundPpm) {
      const TimeNs duration_ns = std::min(answer->duration_ns, kLeaseMax);
      end_ns_ = std::max(end_ns_, sent_ns + counted_short(duration_ns));
      if (on_renewed_ && !failed_.has_value()) on_renewed_(end_ns_);
      if (valid()) renewed_.wake_all();
    }
    // One that came too late to be of use is asked for again at once.
    const TimeNs now_ns = env_.clock.now_ns();
    const TimeNs next_ns = std::max(sent_ns + interval_ns_, now_ns + kMillisecond);
    co_await Sleep(env_.scheduler, next_ns - now_ns, &cancellation_);
  }
}

Task<Result<void>> Lease::wait() {
  while (!valid() && !failed_.has_value()) co_await renewed_.wait();
  if (failed_.has_value()) co_return scoutfs::fail(*failed_);
  co_return Result<void>{};
}

void Lease::fail(Errc code) {
  if (!failed_.has_value()) failed_ = code;
  renewed_.wake_all();
}

Task<void> Lease::stop() {
  stopping_ = true;
  fail(Errc::stopping);
  cancellation_.request();
  co_await scope_.drain();
}

}  // namespace scoutfs::client
