// A file of edits: what a run was, what failed, and which decisions are left. README.md has the
// format.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "sim/edits.hpp"
#include "sim/run.hpp"

namespace scoutfs::sim {

inline constexpr unsigned kEditsVersion = 1;

struct EditsFile {
  std::string build;   // that wrote it
  RunConfig run;       // without edits
  std::string oracle;  // that fails
  Edits edits;
};

// Requires: the edits fit the plan of the run.
std::string encode(const EditsFile& file);
// Errors: what is wrong with it, in words; above all whatever does not fit what this build
// makes of the seed. What it returns fits.
std::expected<EditsFile, std::string> decode_edits(std::string_view text);

// One decision a line, in the order in which they are told. Of what is told twice the second
// counts.
class DecisionLines final : public DecisionRecorder {
 public:
  explicit DecisionLines(std::function<void(std::string_view line)> tell)
      : tell_(std::move(tell)) {}
  void operation(const DecidedOperation& decided) override;
  void fault(const DecidedFault& decided) override;
  void trouble(const DecidedFault& decided) override;

 private:
  std::function<void(std::string_view line)> tell_;
};
// All decisions of the lines, up to the first that is none.
Edits edits_of_lines(std::string_view lines, const Plan& plan);

}  // namespace scoutfs::sim
