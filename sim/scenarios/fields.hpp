// The members of a JSON object, read one after the other. Nothing of them is trusted.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

namespace scoutfs::sim {

class Fields {
 public:
  // `error` gets the first thing that is wrong; once it has, everything reads as nothing.
  Fields(const nlohmann::json& object, std::string where, std::string& error)
      : object_(object), where_(std::move(where)), error_(error) {
    if (!object_.is_object()) complain("is no object");
  }

  bool has(const std::string& name) const {
    return object_.is_object() && object_.contains(name);
  }
  // At most `max`. One that is not there is an error.
  std::uint64_t number(const std::string& name, std::uint64_t max) {
    const nlohmann::json& value = member(name);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max) {
      complain(fmt::format("{} is no number up to {}", name, max));
      return 0;
    }
    return value.get<std::uint64_t>();
  }
  std::uint64_t number(const std::string& name, std::uint64_t max, std::uint64_t otherwise) {
    return has(name) ? number(name, max) : otherwise;
  }
  bool flag(const std::string& name) {
    const nlohmann::json& value = member(name);
    if (!value.is_boolean()) complain(fmt::format("{} is neither true nor false", name));
    return value.is_boolean() && value.get<bool>();
  }
  bool flag(const std::string& name, bool otherwise) {
    return has(name) ? flag(name) : otherwise;
  }
  std::string text(const std::string& name, std::size_t size_max) {
    const nlohmann::json& value = member(name);
    if (!value.is_string() || value.get_ref<const std::string&>().size() > size_max) {
      complain(fmt::format("{} is no text of up to {} bytes", name, size_max));
      return {};
    }
    return value.get<std::string>();
  }
  const nlohmann::json& list(const std::string& name) {
    static const nlohmann::json none = nlohmann::json::array();
    const nlohmann::json& value = member(name);
    if (value.is_array()) return value;
    complain(fmt::format("{} is no list", name));
    return none;
  }
  const nlohmann::json& member(const std::string& name) {
    static const nlohmann::json none;
    known_.insert(name);
    return has(name) ? object_.at(name) : none;
  }
  void complain(const std::string& what) {
    if (error_.empty()) error_ = where_.empty() ? what : fmt::format("{}: {}", where_, what);
  }
  // What nobody has read is an error.
  void finish() {
    if (!object_.is_object()) return;
    for (const auto& [name, value] : object_.items()) {
      if (!known_.contains(name)) complain(fmt::format("{} is unknown", name));
    }
  }

 private:
  const nlohmann::json& object_;
  std::string where_;
  std::string& error_;
  std::set<std::string> known_;
};

}  // namespace scoutfs::sim
