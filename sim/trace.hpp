// Trace: what happened, as a rolling 128-bit hash and, on request, as text.
//
// Two runs of one seed are equal if their hashes are; the checkpoints narrow down where two
// runs part. The text never influences the hash.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/async/clock.hpp"
#include "engine/base/hash.hpp"
#include "sim/observer.hpp"

namespace scoutfs::sim {

enum class EventKind : std::uint8_t {
  run,   // a node ran; digest: how many coroutines were resumed
  log,   // a node logged a line
  sent,  // a message was sent
  delivered,
  link,  // a connection came to be or ended
  disk_read,
  disk_write,
  disk_land,  // blocks of a write became visible
  disk_flush,
  disk_cut,
  disk_fence,  // the storage refuses an incarnation for good
  operation,   // an operation was called, took effect or returned
  fault,
  node,  // a node started, died or left
};
std::string_view to_string(EventKind kind);

// Who an event is about: a node's number, or the world.
inline constexpr unsigned kWorld = 0xff;

class Trace {
 public:
  using Sink = std::function<void(std::string_view line)>;
  static constexpr std::uint64_t kCheckpointEvery = 4096;  // events

  // An empty sink: no text.
  void set_sink(Sink sink) { sink_ = std::move(sink); }
  // nullptr: none. It must outlive the trace.
  void set_observer(Observer* observer) { observer_ = observer; }
  Observer* observer() const { return observer_; }
  bool verbose() const { return static_cast<bool>(sink_) || observer_ != nullptr; }

  void event(TimeNs now_ns, unsigned node, EventKind kind, std::uint64_t digest);
  // A line of text for the event that was traced last, or for none.
  template <class... Args>
  void line(TimeNs now_ns, unsigned node, fmt::format_string<Args...> format, Args&&... args) {
    if (verbose()) write(now_ns, node, fmt::format(format, std::forward<Args>(args)...));
  }

  Hash128 hash() const { return hash_; }
  std::uint64_t events() const { return events_; }
  const std::vector<Hash128>& checkpoints() const { return checkpoints_; }

 private:
  void write(TimeNs now_ns, unsigned node, std::string_view text);

  Hash128 hash_{.low = 0x5bd1e9955bd1e995, .high = 0x27d4eb2f165667c5};
  std::uint64_t events_ = 0;
  std::vector<Hash128> checkpoints_;
  Sink sink_;
  Observer* observer_ = nullptr;
};

std::string to_string(Hash128 hash);  // 32 hexadecimal digits

}  // namespace scoutfs::sim
