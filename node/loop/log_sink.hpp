// LogSink: where the node's log lines go: standard error, a file, or the system's log.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.hpp"
#include "engine/env/log.hpp"
#include "node/loop/unique_fd.hpp"

namespace scoutfs::node {

// Errors: invalid.
Result<LogLevel> parse_log_level(std::string_view text);  // debug, info, warning, error

// One line a message: "2026-01-31T12:00:00.123Z info: text". Control characters of the message
// are escaped, so that a peer cannot forge lines. Any thread may write.
class LogSink : public Log {
 public:
  // To standard error.
  explicit LogSink(LogLevel least) : least_(least) {}
  // To the system's log, as `identity`.
  static LogSink to_syslog(LogLevel least, std::string identity);
  // Appends to a file, made if need be. Errors: io_error (errno tells why).
  static Result<LogSink> to_file(LogLevel least, const std::string& path);

  void write(LogLevel level, std::string_view message) override;
  bool enabled(LogLevel level) const override { return level >= least_; }

 private:
  LogLevel least_;
  UniqueFd file_;
  std::string identity_;  // of the system's log; empty: standard error or the file
};

}  // namespace scoutfs::node
