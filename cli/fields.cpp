#include "cli/fields.hpp"

#include <fmt/core.h>

#include "engine/base/assert.hpp"

namespace scoutfs::cli {

namespace {

std::string text_of(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

const nlohmann::json* find_field(const Fields& fields, const std::string& name) {
  for (const auto& [field, value] : fields) {
    if (field == name) return &value;
  }
  return nullptr;
}

std::string unknown_field(const Fields& fields, const std::string& name) {
  std::string text = fmt::format("unknown field '{}', try ", name);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) text += i + 1 == fields.size() ? " or " : ", ";
    text += fields[i].first;
  }
  return text;
}

void print_fields(const Fields& fields, const std::string& only) {
  if (!only.empty()) {
    const nlohmann::json* const value = find_field(fields, only);
    SCOUTFS_ASSERT(value != nullptr);
    fmt::print("{}\n", text_of(*value));
    return;
  }
  for (const auto& [name, value] : fields) fmt::print("{:<17} {}\n", name, text_of(value));
}

nlohmann::json to_json(const Fields& fields) {
  nlohmann::json document = nlohmann::json::object();
  for (const auto& [name, value] : fields) document[name] = value;
  return document;
}

}  // namespace scoutfs::cli
