// Progress of something long, on standard error: a bar that is drawn over and over on a
// terminal, a line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace scoutfs::cli {

struct ProgressFigures {
  std::uint64_t total = 0;
  std::uint64_t skipped = 0;  // were done before
  std::uint64_t done = 0;     // since then
  std::uint64_t failed = 0;
  double seconds = 0;
};

// "[####----] 45/100  45 %  31.2 seeds/s  ETA 0:00:02  1 failed", at most so many columns.
std::string progress_bar(const ProgressFigures& figures, std::size_t columns);
// The same without the bar, as a sentence.
std::string progress_line(const ProgressFigures& figures);

class Progress {
 public:
  enum class Kind : std::uint8_t { none, bar, lines };
  // `bar` where standard error is a terminal.
  static Kind usual();

  Progress(Kind kind, std::uint64_t total, std::uint64_t skipped);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { hide(); }

  void one_done(bool passed);
  // Draws, if it is time to.
  void tick();
  // Takes the bar away, so that something else can be printed.
  void hide();
  const ProgressFigures& figures();

 private:
  using Clock = std::chrono::steady_clock;

  Kind kind_;
  ProgressFigures figures_;
  Clock::time_point began_ = Clock::now();
  Clock::time_point shown_ = began_;
  bool visible_ = false;
};

}  // namespace scoutfs::cli
