// Observer: told, beside the trace, of what has a beginning and an end, for a picture of a run
// (explain/). Without one nothing of it costs anything. By default it listens to nothing. It
// changes nothing, the hash included.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/async/clock.hpp"
#include "engine/base/ids.hpp"

namespace scoutfs::sim {

struct Operation;
struct Outcome;

class Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;

  // A line of the trace.
  virtual void line(TimeNs /*now_ns*/, unsigned /*node*/, std::string_view /*text*/) {}

  // Messages, writes and operations have numbers, each kind its own.
  struct Message {
    std::uint64_t number = 0;
    unsigned from = 0, to = 0;
    std::size_t kind = 0;  // message_kinds.hpp
    bool from_member = false;
    std::string_view frame;
  };
  virtual void sent(TimeNs /*now_ns*/, const Message& /*message*/) {}
  virtual void arrived(TimeNs /*now_ns*/, std::uint64_t /*number*/) {}

  struct Write {
    std::uint64_t number = 0;
    unsigned node = 0;
    BlockNo first;
    std::uint64_t blocks = 0;
    bool durable = false;  // on completion
  };
  virtual void write_begun(TimeNs /*now_ns*/, const Write& /*write*/) {}
  virtual void write_ended(TimeNs /*now_ns*/, std::uint64_t /*number*/, bool /*well*/) {}
  // A piece of it lands although whoever sent it is dead or has a new connection.
  virtual void write_landed_late(TimeNs /*now_ns*/, std::uint64_t /*number*/) {}

  virtual void called(TimeNs /*now_ns*/, std::uint64_t /*number*/, unsigned /*node*/,
                      std::uint64_t /*life*/, const Operation& /*operation*/) {}
  virtual void took_effect(TimeNs /*now_ns*/, std::uint64_t /*number*/, TxnNo /*txn*/) {}
  virtual void answered(TimeNs /*now_ns*/, std::uint64_t /*number*/,
                        const Outcome& /*outcome*/) {}

  virtual void life_begins(TimeNs /*now_ns*/, unsigned /*node*/, std::uint64_t /*life*/) {}
  virtual void life_serves(TimeNs /*now_ns*/, unsigned /*node*/) {}
  virtual void life_ends(TimeNs /*now_ns*/, unsigned /*node*/, std::string_view /*how*/) {}
  // Who leads now; told again and again.
  virtual void leads(TimeNs /*now_ns*/, std::optional<unsigned> /*node*/) {}

  struct Fault {
    std::string_view kind;
    std::optional<unsigned> node, other;  // whom it is about
    TimeNs lasts_ns = 0;
  };
  virtual void fault(TimeNs /*now_ns*/, const Fault& /*fault*/) {}
};

}  // namespace scoutfs::sim
