#include "node/metrics.hpp"

#include <fmt/core.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <exception>
#include <mutex>
#include <vector>

namespace scoutfs::node {

class Metrics::Collector : public prometheus::Collectable {
 public:
  Collector(std::string fsid, std::string rid) : fsid_(std::move(fsid)), rid_(std::move(rid)) {}

  void publish(MetricsSnapshot snapshot) {
    const std::lock_guard lock(mutex_);
    snapshot_ = std::move(snapshot);
  }

  std::vector<prometheus::MetricFamily> Collect() const override {
    const std::lock_guard lock(mutex_);
    const MountStatus& status = snapshot_.status;
    std::vector<prometheus::MetricFamily> out;
    const auto gauge = [&](const char* name, const char* help, auto value) {
      add(out, prometheus::MetricType::Gauge, name, help, static_cast<double>(value));
    };
    gauge("scoutfs_leader", "1 if this mount leads", status.leader);
    gauge("scoutfs_connected", "1 if this mount has a session with the leader",
          status.connected);
    gauge("scoutfs_waiting", "1 if the mount cannot go on at the moment",
          !status.waits_for.empty());
    gauge("scoutfs_term", "Number of the leader's term", status.term.number);
    gauge("scoutfs_open_seq", "Sequence number of the open transaction", status.open_seq.value);
    gauge("scoutfs_last_recorded_seq", "Newest recorded sequence number of this mount",
          status.last_recorded_seq.value);
    gauge("scoutfs_dirty_bytes", "Item bytes not recorded yet", status.dirty_bytes);
    gauge("scoutfs_unrecorded_transactions", "Transactions not recorded yet",
          status.unrecorded_transactions);
    gauge("scoutfs_locks", "Cluster locks held or cached", status.locks);
    gauge("scoutfs_requests_in_flight", "Requests of the kernel not answered yet",
          snapshot_.in_flight);
    const auto counter = [&](const char* name, const char* help, auto value) {
      add(out, prometheus::MetricType::Counter, name, help, static_cast<double>(value));
    };
    counter("scoutfs_requests_total", "Requests of the kernel", snapshot_.requests);
    gauge("scoutfs_kernel_cache_mode",
          "0 if the kernel keeps nothing, 1 attributes, 2 names too", snapshot_.cache_mode);
    const CacheCounts& cache = snapshot_.cache_counts;
    counter("scoutfs_kernel_cache_epochs_total", "Times all cached names were made void",
            cache.epochs);
    counter("scoutfs_kernel_cache_drops_total",
            "Inodes the kernel was told to drop from its cache", cache.drops);
    counter("scoutfs_kernel_cache_repeats_total",
            "Of them told again, because the inode was not there yet", cache.repeats);
    counter("scoutfs_kernel_cache_late_readers_total",
            "Reads let in while their lock was being given up", cache.late_readers);
    counter("scoutfs_kernel_cache_lapses_total",
            "Times everything was dropped because the lease ran out", cache.lapses);
    if (status.leader) {
      gauge("scoutfs_members", "Mounts that the leader knows", status.members.size());
      gauge("scoutfs_segments", "Segments of the main tree", status.segments);
      gauge("scoutfs_level0_segments", "Segments of level 0", status.level0_segments);
      gauge("scoutfs_compaction_debt_blocks", "Blocks that compaction is behind",
            status.compaction_debt_blocks);
      gauge("scoutfs_free_blocks", "Blocks nobody uses", status.free_blocks);
      gauge("scoutfs_replaced_blocks", "Blocks freed once nobody reads them any more",
            status.replaced_blocks);
    }
    return out;
  }

 private:
  void add(std::vector<prometheus::MetricFamily>& out, prometheus::MetricType type,
           const char* name, const char* help, double value) const {
    prometheus::ClientMetric metric;
    metric.label = {{"fsid", fsid_}, {"rid", rid_}};
    metric.gauge.value = value;
    metric.counter.value = value;
    out.push_back({name, help, type, {std::move(metric)}});
  }

  std::string fsid_;
  std::string rid_;
  mutable std::mutex mutex_;
  MetricsSnapshot snapshot_;
};

// Two threads: one scrape must not wait for another that stalls.
class Metrics::Endpoint {
 public:
  explicit Endpoint(const std::string& address) : exposer_(address, 2) {}
  prometheus::Exposer& exposer() { return exposer_; }

 private:
  prometheus::Exposer exposer_;
};

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

Result<std::unique_ptr<Metrics>> Metrics::open(const std::string& address, std::string fsid,
                                               std::string rid, std::string& why) {
  std::unique_ptr<Metrics> metrics(new Metrics);
  metrics->collector_ = std::make_shared<Collector>(std::move(fsid), std::move(rid));
  try {
    metrics->endpoint_ = std::make_unique<Endpoint>(address);
  } catch (const std::exception& error) {
    why = fmt::format("cannot serve metrics on '{}': {}", address, error.what());
    return fail(Errc::busy);
  }
  metrics->endpoint_->exposer().RegisterCollectable(metrics->collector_);
  return metrics;
}

void Metrics::publish(MetricsSnapshot snapshot) {
  collector_->publish(std::move(snapshot));
}

}  // namespace scoutfs::node
