// Recording: a run as a picture needs it: everything with its beginning and its end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/async/clock.hpp"

namespace scoutfs::sim {

// Times are virtual; an end that never came is nullopt.
struct Recording {
  using End = std::optional<TimeNs>;

  struct Life {
    unsigned node = 0;
    std::uint64_t number = 0;
    TimeNs begins_ns = 0;
    End serves_ns, ends_ns;
    std::string how;  // it ended
  };
  struct Leadership {
    unsigned node = 0;
    TimeNs begins_ns = 0;
    End ends_ns;
  };
  struct Fault {
    TimeNs at_ns = 0, lasts_ns = 0;
    std::string kind;
    std::optional<unsigned> node, other;
  };
  struct Operation {
    unsigned node = 0;
    std::uint64_t life = 0;
    std::string kind, text, result;
    std::vector<std::uint64_t> inodes;  // that it is about, the one it made included
    std::uint64_t txn = 0;
    TimeNs called_ns = 0;
    End effect_ns, answered_ns;
  };
  struct Message {
    unsigned from = 0, to = 0;
    std::string kind, text;
    TimeNs sent_ns = 0;
    End arrived_ns;
  };
  // A lock as its holder sees it: from the grant's arrival to the release's departure.
  struct Hold {
    unsigned node = 0;
    std::string lock, mode;
    std::uint64_t grant = 0;
    TimeNs begins_ns = 0;
    End ends_ns;
  };
  struct Write {
    unsigned node = 0;
    std::uint64_t first = 0, blocks = 0;
    bool durable = false;
    bool failed = false;
    TimeNs begins_ns = 0;
    End ends_ns, late_ns;  // late: when it landed although its sender was gone
  };
  struct Line {
    TimeNs at_ns = 0;
    std::optional<unsigned> node;  // nullopt: the world
    std::string text;
  };

  std::vector<Life> lives;
  std::vector<Leadership> leaderships;
  std::vector<Fault> faults;
  std::vector<Operation> operations;
  std::vector<Message> messages;
  std::vector<Hold> holds;
  std::vector<Write> writes;
  std::vector<Line> lines;
};

}  // namespace scoutfs::sim
