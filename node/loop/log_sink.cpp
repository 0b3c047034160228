#include "node/loop/log_sink.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <syslog.h>
#include <time.h>

#include <array>

namespace scoutfs::node {

namespace {

constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warning", "error"};

std::string timestamp() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     now.tv_nsec / 1'000'000);
}

std::string escaped(std::string_view message) {
  std::string out;
  out.reserve(message.size());
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

int syslog_priority(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return LOG_DEBUG;
    case LogLevel::info:
      return LOG_INFO;
    case LogLevel::warning:
      return LOG_WARNING;
    case LogLevel::error:
      return LOG_ERR;
  }
  return LOG_ERR;
}

}  // namespace

Result<LogLevel> parse_log_level(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == text) return static_cast<LogLevel>(i);
  }
  return fail(Errc::invalid);
}

LogSink LogSink::to_syslog(LogLevel least, std::string identity) {
  LogSink sink(least);
  sink.identity_ = std::move(identity);
  return sink;
}

Result<LogSink> LogSink::to_file(LogLevel least, const std::string& path) {
  LogSink sink(least);
  sink.file_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!sink.file_) return fail(Errc::io_error);
  return sink;
}

void LogSink::write(LogLevel level, std::string_view message) {
  if (!enabled(level)) return;
  if (!identity_.empty()) {
    syslog(syslog_priority(level) | LOG_DAEMON, "%s: %s", identity_.c_str(),
           escaped(message).c_str());
    return;
  }
  const std::string line = fmt::format(
      "{} {}: {}\n", timestamp(), kNames[static_cast<std::size_t>(level)], escaped(message));
  // A log that cannot be written must not stop the node.
  const int fd = file_ ? file_.get() : STDERR_FILENO;
  [[maybe_unused]] const ssize_t written = ::write(fd, line.data(), line.size());
}

}  // namespace scoutfs::node
