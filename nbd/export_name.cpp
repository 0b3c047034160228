#include "nbd/export_name.hpp"

#include <fmt/format.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <array>
#include <charconv>
#include <optional>

#include "engine/base/assert.hpp"

namespace scoutfs::nbd {

namespace {

constexpr std::string_view kMac = "&mac=";
constexpr std::size_t kMacBytes = 32;
constexpr std::string_view kOfferPrefix = "scoutfs fencing 1 table=";
constexpr std::array<Role, 4> kRoles{Role::mount, Role::leader, Role::control, Role::format};

bool is_plain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         c == '-' || c == '_' || c == '.';
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_plain(c)) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

// nullopt: not what escape() makes.
std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      if (!is_plain(text[i])) return std::nullopt;
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    unsigned value = 0;
    const char* const end = text.data() + i + 3;
    const auto [stop, error] = std::from_chars(text.data() + i + 1, end, value, 16);
    if (error != std::errc{} || stop != end) return std::nullopt;
    out.push_back(static_cast<char>(value));
    i += 2;
  }
  if (escape(out) != text) return std::nullopt;
  return out;
}

// Takes "KEY=VALUE" and what separates it from the next off the front. Bad for good once a
// field is not what it should be.
class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text) {}

  std::string_view text(std::string_view key, char separator) {
    if (!rest_.starts_with(key)) good_ = false;
    if (!good_) return "";
    rest_.remove_prefix(key.size());
    const std::size_t end = std::min(rest_.find(separator), rest_.size());
    const std::string_view value = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return value;
  }
  std::uint64_t number(std::string_view key, char separator, int base) {
    const std::string_view value = text(key, separator);
    std::uint64_t number = 0;
    const char* const end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, number, base);
    if (error != std::errc{} || stop != end) good_ = false;
    const std::string canonical =
        base == 16 ? fmt::format("{:016x}", number) : fmt::format("{}", number);
    if (canonical != value) good_ = false;
    return number;
  }
  bool finished() const { return good_ && rest_.empty(); }
  void reject() { good_ = false; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

std::string mac_of(std::string_view text, std::string_view secret) {
  std::array<unsigned char, kMacBytes> digest{};
  const int failed = gnutls_hmac_fast(GNUTLS_MAC_SHA256, secret.data(), secret.size(),
                                      text.data(), text.size(), digest.data());
  SCOUTFS_ASSERT(failed == 0);
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string without_mac(const Identity& identity) {
  return fmt::format(
      "{}volume={:016x}&node={}&rid={:016x}&epoch={}&role={}&session={}&table={:016x}&born={}",
      kIdentityPrefix, identity.fsid.value, escape(identity.node), identity.who.rid.value,
      identity.who.epoch.value, to_string(identity.role), identity.session, identity.table,
      identity.born);
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::mount:
      return "mount";
    case Role::leader:
      return "leader";
    case Role::control:
      return "control";
    case Role::format:
      return "format";
  }
  return "";
}

std::string encode(const Identity& identity, std::string_view secret) {
  SCOUTFS_ASSERT(identity.node.size() <= kNodeNameMax);
  const std::string text = without_mac(identity);
  return fmt::format("{}{}{}", text, kMac, mac_of(text, secret));
}

bool is_identity(std::string_view name) {
  return name.starts_with(kIdentityPrefix);
}

Result<Identity> parse_identity(std::string_view name) {
  if (!is_identity(name) || name.size() > kExportNameMax) return fail(Errc::invalid);
  const std::size_t mac = name.rfind(kMac);
  if (mac == std::string_view::npos) return fail(Errc::invalid);
  if (name.size() - mac != kMac.size() + 2 * kMacBytes) return fail(Errc::invalid);
  Fields in(name.substr(kIdentityPrefix.size(), mac - kIdentityPrefix.size()));
  Identity identity;
  identity.fsid = Fsid{in.number("volume=", '&', 16)};
  const std::optional<std::string> node = unescape(in.text("node=", '&'));
  if (!node.has_value() || node->size() > kNodeNameMax) return fail(Errc::invalid);
  identity.node = *node;
  identity.who.rid = Rid{in.number("rid=", '&', 16)};
  identity.who.epoch = Epoch{in.number("epoch=", '&', 10)};
  const std::string_view role = in.text("role=", '&');
  bool known = false;
  for (const Role each : kRoles) {
    if (to_string(each) != role) continue;
    identity.role = each;
    known = true;
  }
  if (!known) in.reject();
  identity.session = in.number("session=", '&', 10);
  identity.table = in.number("table=", '&', 16);
  identity.born = in.number("born=", '&', 10);
  if (!in.finished() || without_mac(identity) != name.substr(0, mac)) {
    return fail(Errc::invalid);
  }
  return identity;
}

bool verify(std::string_view name, std::string_view secret) {
  const std::size_t mac = name.rfind(kMac);
  SCOUTFS_ASSERT(mac != std::string_view::npos);
  const std::string right = mac_of(name.substr(0, mac), secret);
  const std::string_view given = name.substr(mac + kMac.size());
  // Takes the same time whatever differs.
  return given.size() == right.size() &&
         gnutls_memcmp(given.data(), right.data(), right.size()) == 0;
}

std::string encode(const Offer& offer) {
  return fmt::format("{}{:016x} generation={} boot={}", kOfferPrefix, offer.table,
                     offer.generation, escape(offer.boot));
}

Result<Offer> parse_offer(std::string_view description) {
  Fields in(description);
  Offer offer;
  offer.table = in.number(kOfferPrefix, ' ', 16);
  offer.generation = in.number("generation=", ' ', 10);
  const std::optional<std::string> boot = unescape(in.text("boot=", ' '));
  if (!in.finished() || !boot.has_value()) return fail(Errc::invalid);
  offer.boot = *boot;
  if (encode(offer) != description) return fail(Errc::invalid);
  return offer;
}

}  // namespace scoutfs::nbd
