// A table as text: columns as wide as their widest cell.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace scoutfs::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> heads) : rows_{std::move(heads)} {}
  // Requires: as many cells as there are heads.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Numbers to the right, text to the left, no spaces at the end of a line.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "12.5"; "-" of nothing.
std::string percent(std::uint64_t part, std::uint64_t whole);

}  // namespace scoutfs::cli
