// StorageAuthority: until when this leader may promise anything to anybody.
//
// A leader that was deposed learns of it last. So it gives locks, leases and index bounds only
// while it is sure that nobody can have taken its place: the storage accepts its requests (a
// new leader has the old one fenced before it begins), and a majority of the voters has
// answered its heartbeats where there are votes. Both are counted from before the question was
// asked.
#pragma once

#include <functional>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/env/env.hpp"

namespace scoutfs::server {

class StorageAuthority {
 public:
  struct Options {
    TimeNs interval_ns = 0;  // between questions to the storage
    TimeNs lease_ns = 0;     // how long one answer lasts
    // Where the votes end it, by this node's clock; null: they do not.
    std::function<TimeNs()> votes_end_ns;
  };

  // `on_accepted` is called whenever the storage has accepted a request.
  StorageAuthority(Env env, Options options, std::function<void()> on_accepted);

  void start() { scope_.spawn(ask()); }
  Task<void> stop();

  TimeNs end_ns() const;
  bool valid() const { return env_.clock.now_ns() < end_ns(); }

 private:
  Task<void> ask();

  Env env_;
  Options options_;
  std::function<void()> on_accepted_;
  TimeNs storage_end_ns_ = 0;
  bool stopping_ = false;
  Cancellation cancellation_;
  TaskScope scope_;
};

}  // namespace scoutfs::server
