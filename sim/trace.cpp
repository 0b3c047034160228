#include "sim/trace.hpp"

namespace scoutfs::sim {

std::string_view to_string(EventKind kind) {
  switch (kind) {
    case EventKind::run:
      return "run";
    case EventKind::log:
      return "log";
    case EventKind::sent:
      return "sent";
    case EventKind::delivered:
      return "delivered";
    case EventKind::link:
      return "link";
    case EventKind::disk_read:
      return "disk-read";
    case EventKind::disk_write:
      return "disk-write";
    case EventKind::disk_land:
      return "disk-land";
    case EventKind::disk_flush:
      return "disk-flush";
    case EventKind::disk_cut:
      return "disk-cut";
    case EventKind::disk_fence:
      return "disk-fence";
    case EventKind::operation:
      return "operation";
    case EventKind::fault:
      return "fault";
    case EventKind::node:
      return "node";
  }
  return "unknown";
}

void Trace::event(TimeNs now_ns, unsigned node, EventKind kind, std::uint64_t digest) {
  const std::uint64_t what = std::uint64_t{node} << 8 | static_cast<std::uint64_t>(kind);
  hash_.low = mix(hash_.low ^ now_ns, what, digest);
  hash_.high = mix(hash_.high + digest, hash_.low);
  if (++events_ % kCheckpointEvery == 0) checkpoints_.push_back(hash_);
}

void Trace::write(TimeNs now_ns, unsigned node, std::string_view text) {
  if (observer_ != nullptr) observer_->line(now_ns, node, text);
  if (!sink_) return;
  const std::string who = node == kWorld ? "world" : fmt::format("node{}", node);
  sink_(fmt::format("{:>5}.{:06} {:<6} {}", now_ns / kSecond, now_ns % kSecond / kMicrosecond,
                    who, text));
}

std::string to_string(Hash128 hash) {
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

}  // namespace scoutfs::sim
