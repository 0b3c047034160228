// Metrics: the state of a mount for Prometheus.
//
// The endpoint's threads never touch the engine: the loop's thread leaves a copy of the figures
// every second, and a scrape reads that.
#pragma once

#include <memory>
#include <string>

#include "engine/base/result.hpp"
#include "engine/mount/mount.hpp"
#include "node/kernel_cache.hpp"

namespace scoutfs::node {

struct MetricsSnapshot {
  MountStatus status;
  std::uint64_t requests = 0;   // of the kernel, since the mount
  std::uint64_t in_flight = 0;  // of them not answered yet
  CacheMode cache_mode = CacheMode::none;
  CacheCounts cache_counts;
};

class Metrics {
 public:
  // Serves "http://ADDRESS/metrics" with the labels fsid and rid. `address` is "IP:PORT".
  // Errors: busy, invalid; `why` tells.
  static Result<std::unique_ptr<Metrics>> open(const std::string& address, std::string fsid,
                                               std::string rid, std::string& why);
  ~Metrics();

  void publish(MetricsSnapshot snapshot);

 private:
  class Collector;
  class Endpoint;
  Metrics();
  std::shared_ptr<Collector> collector_;
  std::unique_ptr<Endpoint> endpoint_;
};

}  // namespace scoutfs::node
