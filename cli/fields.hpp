// Named values, printed a line each, or one alone, or as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace scoutfs::cli {

using Fields = std::vector<std::pair<std::string, nlohmann::json>>;

// nullptr: no such field.
const nlohmann::json* find_field(const Fields& fields, const std::string& name);
// "unknown field 'X', try A, B or C".
std::string unknown_field(const Fields& fields, const std::string& name);
// All of them, names in 17 columns; or the value alone of `only`, if it is not empty.
// Requires: `only` is a field.
void print_fields(const Fields& fields, const std::string& only);
nlohmann::json to_json(const Fields& fields);

}  // namespace scoutfs::cli
