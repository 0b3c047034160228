// A program of the operator's, run to its end.
#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/async/clock.hpp"

namespace scoutfs::node {

struct ProgramEnd {
  enum class How : std::uint8_t {
    exited,       // with `code`
    by_a_signal,  // of this number
    too_late,     // it was killed
    not_started,  // with this errno
  };
  How how = How::not_started;
  int code = 0;
  std::string said;  // the beginning of what it wrote, standard error included
  bool succeeded() const { return how == How::exited && code == 0; }
};
// For an operator: "exited with 1: no route to host".
std::string to_string(const ProgramEnd& end);

using Variables = std::map<std::string, std::string>;

// Runs `words` (a path and its arguments) in a process group of its own, with `variables` added
// to this process's environment and nothing to read. It and what it started are killed when
// `patience_ns` have passed, or at `stop`. Blocks: for a helper thread.
ProgramEnd run_program(std::vector<std::string> words, const Variables& variables,
                       TimeNs patience_ns, const std::stop_token& stop);

}  // namespace scoutfs::node
