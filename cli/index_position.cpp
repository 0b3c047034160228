#include "cli/index_position.hpp"

#include <fmt/core.h>

#include <cctype>
#include <charconv>
#include <limits>

namespace scoutfs::cli {

namespace {

std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    base = 16;
    digits.remove_prefix(2);
  } else if (digits.size() > 1 && digits[0] == '0' && std::isdigit(digits[1]) != 0) {
    base = 8;
  }
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc{}) return std::nullopt;
  text = std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end));
  return negative ? std::uint64_t{0} - value : value;
}

}  // namespace

std::optional<IndexPosition> parse_index_position(std::string_view text, std::string* rest) {
  IndexPosition position;
  const auto bad = [&] {
    *rest = text;
    return std::nullopt;
  };
  const auto major = take_number(text);
  if (!major.has_value()) return bad();
  position.major = *major;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const std::string_view before = text;
    const auto minor = take_number(text);
    if (!minor.has_value()) return bad();
    // A negative one wraps in its own width.
    const bool negative = before.starts_with('-');
    if (!negative && *minor > std::numeric_limits<std::uint32_t>::max()) {
      text = before;
      return bad();
    }
    position.minor = static_cast<std::uint32_t>(*minor);
  }
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const auto ino = take_number(text);
    if (!ino.has_value()) return bad();
    position.ino = *ino;
  }
  if (!text.empty()) return bad();
  return position;
}

void unwrap_negative_positions(std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front() != "walk-inodes") return;
  for (std::string& argument : arguments) {
    if (argument.size() < 2 || argument[0] != '-' || std::isdigit(argument[1]) == 0) continue;
    std::string_view rest = argument;
    const auto major = take_number(rest);
    if (major.has_value()) argument = fmt::format("{}{}", *major, rest);
  }
}

}  // namespace scoutfs::cli
