// FaultLedger: which faults were injected, and which of them the engine noticed.
//
// Whoever injects a fault says by which symptoms the engine would notice it and until when;
// whoever passes a symptom on to the engine says so. A fault counts as noticed once. A kind
// that is injected and never noticed tests nothing.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/async/clock.hpp"
#include "sim/event_queue.hpp"

namespace scoutfs::sim {

// Something that the engine of a node is told or finds out.
struct Symptom {
  enum class Kind : std::uint8_t {
    death_known,      // of the life `subject`: the storage told a node that asked
    fenced,           // the life `subject`, alive, at the request of a leader
    left,             // the life `subject` has unmounted
    connection_lost,  // between the nodes `subject` and `other`: broken, refused or given up
    disk_lost,        // a request of the node `subject` was answered with disconnected
    disk_error,       // ... with an I/O error
  };
  Kind kind{};
  std::uint64_t subject = 0;
  std::uint64_t other = 0;

  static Symptom connection(unsigned a, unsigned b) {
    return {Kind::connection_lost, std::min(a, b), std::max(a, b)};
  }
  auto operator<=>(const Symptom&) const = default;
};

class FaultLedger {
 public:
  using Counts = std::map<std::string, std::uint64_t>;

  explicit FaultLedger(const EventQueue& events) : events_(events) {}

  // A fault was injected. Any of the symptoms, until then, says that the engine noticed it.
  void injected(const std::string& kind, std::vector<Symptom> symptoms,
                TimeNs until_ns = kForever);
  // The engine has come to know.
  void seen(const Symptom& symptom);

  const Counts& injected() const { return injected_; }
  // Every kind that was injected; 0: never noticed.
  const Counts& noticed() const { return noticed_; }

 private:
  struct Fault {
    std::string kind;
    std::vector<Symptom> symptoms;
    TimeNs until_ns = 0;
  };

  const EventQueue& events_;
  std::vector<Fault> unnoticed_;
  Counts injected_, noticed_;
};

}  // namespace scoutfs::sim
