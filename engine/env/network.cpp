#include "engine/env/network.hpp"

#include <fmt/core.h>

#include <charconv>

namespace scoutfs {

std::string to_string(Address address) {
  return fmt::format("{}.{}.{}.{}:{}", address.ip >> 24, (address.ip >> 16) & 0xff,
                     (address.ip >> 8) & 0xff, address.ip & 0xff, address.port);
}

namespace {

// Takes a decimal number up to `max` from the front of `text`.
Result<std::uint32_t> take_number(std::string_view& text, std::uint32_t max) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value > max) return fail(Errc::invalid);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  Address address;
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (!text.starts_with('.')) return fail(Errc::invalid);
      text.remove_prefix(1);
    }
    SCOUTFS_TRY(const std::uint32_t value, take_number(text, 255));
    address.ip = address.ip << 8 | value;
  }
  if (text.empty()) return address;
  if (!text.starts_with(':')) return fail(Errc::invalid);
  text.remove_prefix(1);
  SCOUTFS_TRY(const std::uint32_t port, take_number(text, 65535));
  if (!text.empty()) return fail(Errc::invalid);
  address.port = static_cast<std::uint16_t>(port);
  return address;
}

}  // namespace scoutfs
