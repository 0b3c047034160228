// History: windows of a run as a client sees them: which node called what, when, and what it
// was answered. Nothing of the engine's own order (fs::Witness) and nothing of the model.
//
// A window is a number of calls. It ends early when a node dies or is to be given up: what a
// crash takes back no order explains. Calls that were in progress when it began, or that are
// not answered when it ends, may have happened in it or not.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/operation.hpp"
#include "sim/oracle_board.hpp"
#include "sim/random.hpp"

namespace scoutfs::sim {

struct HistoryCall {
  unsigned node = 0;
  Operation op;  // without its data, unless it was called in the window
  std::uint64_t called_at = 0;
  std::optional<std::uint64_t> answered_at;
  Outcome outcome;            // of one that was answered
  bool in_the_window = true;  // called in it

  // Its answer must be explained.
  bool counts() const { return in_the_window && answered_at.has_value(); }
};

class History {
 public:
  struct Options {
    std::uint64_t window = 48;  // calls
    std::uint64_t one_in = 8;   // windows that are recorded
    bool falsifies = false;     // some answers, before they are recorded
  };
  History(OracleBoard& board, SimRandom random, Options options)
      : board_(board), random_(random), options_(options) {}

  // Returns the call's number.
  std::uint64_t called(unsigned node, const Operation& op);
  void answered(std::uint64_t number, const Outcome& outcome);
  // The node will answer nothing more.
  void died(unsigned node);
  // The window ends here.
  void cut();

  std::uint64_t undecided() const { return undecided_; }  // objects given up on

 private:
  void begin_window();

  OracleBoard& board_;
  SimRandom random_;
  Options options_;
  std::uint64_t instant_ = 0;  // calls and answers so far
  std::uint64_t calls_ = 0;
  bool recording_ = false;
  std::map<std::uint64_t, HistoryCall> open_;  // by number, without their data
  std::map<std::uint64_t, HistoryCall> window_;
  std::uint64_t falsified_ = 0;
  std::uint64_t undecided_ = 0;
};

}  // namespace scoutfs::sim
