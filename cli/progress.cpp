#include "cli/progress.hpp"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace scoutfs::cli {

namespace {

using namespace std::chrono_literals;

double rate_of(const ProgressFigures& figures) {
  return figures.seconds > 0 ? static_cast<double>(figures.done) / figures.seconds : 0;
}

// "1:02:03"; "-" while nothing is known.
std::string time_left(const ProgressFigures& figures) {
  const double rate = rate_of(figures);
  const std::uint64_t all_done = figures.skipped + figures.done;
  if (rate <= 0 || all_done > figures.total) return "-";
  const auto seconds =
      static_cast<std::uint64_t>(static_cast<double>(figures.total - all_done) / rate + 0.5);
  return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::uint64_t percent(const ProgressFigures& figures) {
  return figures.total == 0 ? 100 : (figures.skipped + figures.done) * 100 / figures.total;
}

std::size_t terminal_columns() {
  winsize size{};
  constexpr std::size_t kUsual = 80;
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return size.ws_col;
}

}  // namespace

std::string progress_bar(const ProgressFigures& figures, std::size_t columns) {
  const std::string text = fmt::format(
      " {}/{}  {} %  {:.1f} seeds/s  ETA {}  {} failed", figures.skipped + figures.done,
      figures.total, percent(figures), rate_of(figures), time_left(figures), figures.failed);
  constexpr std::size_t kBarMax = 40, kBarMin = 5;
  if (columns < text.size() + kBarMin + 2) return text.substr(1, columns);
  const std::size_t length = std::min(kBarMax, columns - text.size() - 2);
  const std::size_t filled = std::min<std::size_t>(length, percent(figures) * length / 100);
  return "[" + std::string(filled, '#') + std::string(length - filled, '-') + "]" + text;
}

std::string progress_line(const ProgressFigures& figures) {
  return fmt::format("{} of {} seeds ({} %), {:.1f} seeds/s, ETA {}, {} failed",
                     figures.skipped + figures.done, figures.total, percent(figures),
                     rate_of(figures), time_left(figures), figures.failed);
}

Progress::Kind Progress::usual() {
  return ::isatty(STDERR_FILENO) != 0 ? Kind::bar : Kind::lines;
}

Progress::Progress(Kind kind, std::uint64_t total, std::uint64_t skipped) : kind_(kind) {
  figures_.total = total;
  figures_.skipped = skipped;
}

void Progress::one_done(bool passed) {
  ++figures_.done;
  if (!passed) ++figures_.failed;
  tick();
}

const ProgressFigures& Progress::figures() {
  figures_.seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  return figures_;
}

void Progress::tick() {
  if (kind_ == Kind::none) return;
  const Clock::time_point now = Clock::now();
  const Clock::duration pause = kind_ == Kind::bar ? Clock::duration(100ms) : 10s;
  if (now - shown_ < pause) return;
  shown_ = now;
  if (kind_ == Kind::lines) {
    fmt::print(stderr, "{}\n", progress_line(figures()));
    return;
  }
  // A full last column would wrap.
  fmt::print(stderr, "\r{}\033[K", progress_bar(figures(), terminal_columns() - 1));
  std::fflush(stderr);
  visible_ = true;
}

void Progress::hide() {
  if (!visible_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  visible_ = false;
}

}  // namespace scoutfs::cli
