#include "cli/table.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace scoutfs::cli {

namespace {

bool is_number(const std::string& cell) {
  return cell.find_first_not_of("0123456789.-%") == std::string::npos;
}

}  // namespace

std::string Table::text() const {
  const std::size_t columns = rows_.front().size();
  std::vector<std::size_t> widths(columns);
  // A column of numbers alone.
  std::vector<bool> right(columns, rows_.size() > 1);
  for (const std::vector<std::string>& row : rows_) {
    for (std::size_t i = 0; i < columns; ++i) {
      widths[i] = std::max(widths[i], row[i].size());
      if (&row != &rows_.front() && !is_number(row[i])) right[i] = false;
    }
  }
  std::string text;
  for (const std::vector<std::string>& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < columns; ++i) {
      line += right[i] ? fmt::format("{:>{}}  ", row[i], widths[i])
                       : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "-";
  return fmt::format("{:.1f}", static_cast<double>(part) * 100 / static_cast<double>(whole));
}

}  // namespace scoutfs::cli
