// Recorder: makes a Recording of what an Observer is told.
#pragma once

#include <map>
#include <optional>

#include "sim/explain/describe_message.hpp"
#include "sim/explain/recording.hpp"
#include "sim/observer.hpp"

namespace scoutfs::sim {

class Recorder final : public Observer {
 public:
  const Recording& recording() const { return recording_; }
  // When it was told something last.
  TimeNs newest_ns() const { return newest_ns_; }

  void line(TimeNs now_ns, unsigned node, std::string_view text) override;
  void sent(TimeNs now_ns, const Message& message) override;
  void arrived(TimeNs now_ns, std::uint64_t number) override;
  void write_begun(TimeNs now_ns, const Write& write) override;
  void write_ended(TimeNs now_ns, std::uint64_t number, bool well) override;
  void write_landed_late(TimeNs now_ns, std::uint64_t number) override;
  void called(TimeNs now_ns, std::uint64_t number, unsigned node, std::uint64_t life,
              const Operation& operation) override;
  void took_effect(TimeNs now_ns, std::uint64_t number, TxnNo txn) override;
  void answered(TimeNs now_ns, std::uint64_t number, const Outcome& outcome) override;
  void life_begins(TimeNs now_ns, unsigned node, std::uint64_t life) override;
  void life_serves(TimeNs now_ns, unsigned node) override;
  void life_ends(TimeNs now_ns, unsigned node, std::string_view how) override;
  void leads(TimeNs now_ns, std::optional<unsigned> node) override;
  void fault(TimeNs now_ns, const Fault& fault) override;

 private:
  // Of the node, those that have not ended; of one lock, or all.
  void end_holds(TimeNs now_ns, unsigned node, const std::string* lock);
  void begin_hold(TimeNs now_ns, unsigned node, const MessageContent::LockChange& change);
  Recording::Life* life_of(unsigned node);

  Recording recording_;
  TimeNs newest_ns_ = 0;
  // Where in the recording those are that have not ended, by number.
  std::map<std::uint64_t, std::size_t> writes_, operations_;
  struct OnItsWay {
    std::size_t index = 0;
    std::optional<MessageContent::LockChange> granted;
  };
  std::map<std::uint64_t, OnItsWay> messages_;
};

}  // namespace scoutfs::sim
