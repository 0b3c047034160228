#include "nbd/plugin/control.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/base/codec.hpp"

namespace scoutfs::nbd {

namespace {

using nlohmann::json;

Result<std::uint64_t> number_of(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return fail(Errc::invalid);
  return found->get<std::uint64_t>();
}

Result<std::uint64_t> hex_of(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return fail(Errc::invalid);
  const auto& text = found->get_ref<const std::string&>();
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc{} || stop != end) return fail(Errc::invalid);
  return value;
}

Result<Incarnation> incarnation_of(const json& request) {
  SCOUTFS_TRY(const std::uint64_t rid, hex_of(request, "rid"));
  SCOUTFS_TRY(const std::uint64_t epoch, number_of(request, "epoch"));
  if (rid == 0) return fail(Errc::invalid);
  return Incarnation{Rid{rid}, Epoch{epoch}};
}

// nullopt: the request names none.
Result<std::optional<Term>> term_of(const json& request) {
  const auto found = request.find("term");
  if (found == request.end()) return std::optional<Term>{};
  if (!found->is_object()) return fail(Errc::invalid);
  SCOUTFS_TRY(const std::uint64_t number, number_of(*found, "number"));
  SCOUTFS_TRY(const std::uint64_t slot, number_of(*found, "slot"));
  if (slot > 0xffff) return fail(Errc::invalid);
  return std::optional<Term>{Term{number, static_cast<std::uint16_t>(slot)}};
}

Result<json> state(const DiskServer& server, const Identity& caller, const json& request) {
  Identity who = caller;
  SCOUTFS_TRY(who.who, incarnation_of(request));
  SCOUTFS_TRY(who.table, hex_of(request, "table"));
  SCOUTFS_TRY(who.born, number_of(request, "born"));
  const auto role = request.find("role");
  if (role == request.end() || !role->is_string()) return fail(Errc::invalid);
  who.role = *role == to_string(Role::leader) ? Role::leader : Role::mount;
  return json{{"ok", true}, {"may_connect", server.may_connect(who).has_value()}};
}

Result<json> carry_out(DiskServer& server, const Identity& caller, const json& request) {
  const auto name = request.find("op");
  if (name == request.end() || !name->is_string()) return fail(Errc::invalid);
  const auto& op = name->get_ref<const std::string&>();
  if (op == "status") {
    return json{{"ok", true}, {"status", json::parse(server.status(), nullptr, false)}};
  }
  if (op == "state") return state(server, caller, request);
  SCOUTFS_TRY(const Incarnation who, incarnation_of(request));
  SCOUTFS_TRY(const std::optional<Term> term, term_of(request));
  if (op == "register_term" && term.has_value()) {
    SCOUTFS_CHECK(server.register_term(*term, who));
  } else if (op == "fence") {
    SCOUTFS_CHECK(server.fence(term, who));
  } else if (op == "leave") {
    SCOUTFS_CHECK(server.fence(std::nullopt, who));
  } else {
    return fail(Errc::invalid);
  }
  return json{{"ok", true}};
}

}  // namespace

std::string answer_request(DiskServer& server, const Identity& who, std::string_view request) {
  const json document = json::parse(request.begin(), request.end(), nullptr, false);
  Result<json> answer = fail(Errc::invalid);
  if (document.is_object()) answer = carry_out(server, who, document);
  if (!answer.has_value()) {
    answer =
        json{{"ok", false}, {"error", std::string(control_error_name(answer.error().code))}};
  }
  return answer->dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<void> ControlConnection::read(std::uint64_t offset, std::span<std::byte> out) {
  std::ranges::fill(out, std::byte{0});
  if (offset >= answer_.size()) return {};
  const std::string_view rest = std::string_view(answer_).substr(offset);
  std::memcpy(out.data(), rest.data(), std::min(rest.size(), out.size()));
  return {};
}

Result<void> ControlConnection::write(std::uint64_t offset, std::span<const std::byte> data,
                                      Durability) {
  if (offset != 0) return fail(Errc::invalid);
  const std::string_view request = as_text(data);
  const std::string text = answer_request(server_, who_, request.substr(0, request.find('\0')));
  answer_.clear();
  Writer out(answer_);
  out.put(static_cast<std::uint64_t>(text.size()));
  out.put_raw(text);
  if (answer_.size() <= kControlSizeMax) return {};
  answer_.clear();
  return fail(Errc::too_large);
}

}  // namespace scoutfs::nbd
