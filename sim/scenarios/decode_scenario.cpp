// Reading the file of a scenario. Nothing in it is trusted.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/scenarios/fields.hpp"
#include "sim/scenarios/scenarios.hpp"

namespace scoutfs::sim {

namespace {

using nlohmann::json;

constexpr std::uint64_t kNodesMax = 15;
constexpr std::uint64_t kOperationsMax = 100'000;
constexpr std::uint64_t kFaultsMax = 100;
constexpr std::uint64_t kWeightMax = 1'000;
constexpr std::size_t kDescriptionMax = 200;  // bytes

// "what" is one of the names in `known`, or the error says so.
void complain_of_name(Fields& fields, const std::string& what, const std::string& name,
                      const std::string& known) {
  fields.complain(fmt::format("there is no {} {}; known: {}", what, name, known));
}

// [LOW, HIGH], or a number alone.
DrawRange read_range(Fields& fields, const std::string& name, DrawRange bounds) {
  const json& value = fields.member(name);
  DrawRange range;
  bool fits = true;
  if (value.is_number_unsigned()) {
    range = {.low = value.get<std::uint64_t>(), .high = value.get<std::uint64_t>()};
  } else if (value.is_array() && value.size() == 2 && value[0].is_number_unsigned() &&
             value[1].is_number_unsigned()) {
    range = {.low = value[0].get<std::uint64_t>(), .high = value[1].get<std::uint64_t>()};
  } else {
    fits = false;
  }
  if (fits && bounds.low <= range.low && range.low <= range.high && range.high <= bounds.high) {
    return range;
  }
  fields.complain(fmt::format("{} is no number from {} to {}, nor two of them, the lower first",
                              name, bounds.low, bounds.high));
  return bounds;
}

template <class Kind>
std::string names_of(std::size_t count) {
  std::string names;
  for (std::size_t i = 0; i < count; ++i) {
    names += names.empty() ? "" : ", ";
    names += to_string(static_cast<Kind>(i));
  }
  return names;
}

// An object of names and weights; each name is that of a kind.
template <class Kind>
std::vector<std::pair<Kind, std::uint64_t>> read_weights(Fields& parent,
                                                         const std::string& name,
                                                         const std::string& what,
                                                         std::size_t count) {
  std::vector<std::pair<Kind, std::uint64_t>> weights;
  const json& object = parent.member(name);
  if (!object.is_object() || object.empty()) {
    parent.complain(fmt::format("{} is no object of names and weights", name));
    return weights;
  }
  for (const auto& [key, value] : object.items()) {
    std::size_t kind = 0;
    while (kind < count && to_string(static_cast<Kind>(kind)) != key) ++kind;
    if (kind == count) {
      complain_of_name(parent, what, key, names_of<Kind>(count));
      break;
    }
    const bool fits = value.is_number_unsigned() && value.get<std::uint64_t>() > 0 &&
                      value.get<std::uint64_t>() <= kWeightMax;
    if (!fits) {
      parent.complain(fmt::format("{}: {} is no weight from 1 to {}", name, key, kWeightMax));
      break;
    }
    weights.emplace_back(static_cast<Kind>(kind), value.get<std::uint64_t>());
  }
  return weights;
}

std::map<std::string, DrawRange> read_knobs(const json& object, std::string& error) {
  std::map<std::string, DrawRange> read;
  Fields fields(object, "knobs", error);
  if (!object.is_object()) return read;
  for (const auto& [name, value] : object.items()) {
    const auto known =
        std::ranges::find_if(knobs(), [&name](const Knob& knob) { return knob.name == name; });
    if (known != knobs().end()) {
      read[name] = read_range(fields, name, {.low = known->low, .high = known->high});
      continue;
    }
    std::string names;
    for (const Knob& knob : knobs()) {
      names += names.empty() ? "" : ", ";
      names += knob.name;
    }
    complain_of_name(fields, "knob", name, names);
  }
  return read;
}

Scenario::Faults read_faults(const json& object, std::string& error) {
  Scenario::Faults faults;
  Fields fields(object, "faults", error);
  faults.count = read_range(fields, "count", {.low = 0, .high = kFaultsMax});
  faults.kinds = read_weights<FaultKind>(fields, "kinds", "fault", kAllFaultKinds);
  fields.finish();
  return faults;
}

}  // namespace

std::expected<Scenario, std::string> decode_scenario(std::string name, std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  if (document.is_discarded()) return std::unexpected("no JSON");
  std::string error;
  Fields fields(document, "", error);
  Scenario scenario;
  scenario.name = std::move(name);
  scenario.text = std::string(text);
  scenario.description = fields.text("description", kDescriptionMax);
  for (const auto& [kind, weight] :
       read_weights<WorkloadKind>(fields, "workloads", "workload", kWorkloadKinds)) {
    scenario.workloads.push_back({.kind = kind, .weight = weight});
  }
  if (fields.has("nodes")) {
    scenario.nodes = read_range(fields, "nodes", {.low = 1, .high = kNodesMax});
  }
  if (fields.has("operations")) {
    scenario.operations = read_range(fields, "operations", {.low = 1, .high = kOperationsMax});
  }
  if (fields.has("knobs")) scenario.knobs = read_knobs(fields.member("knobs"), error);
  if (fields.has("faults")) scenario.faults = read_faults(fields.member("faults"), error);
  const auto percent = [&fields](const char* of) {
    return fields.has(of) ? std::optional(fields.number(of, 100)) : std::nullopt;
  };
  scenario.disk_errors_percent = percent("disk_errors_percent");
  scenario.full_volume_percent = percent("full_volume_percent");
  fields.finish();
  if (!error.empty()) return std::unexpected(error);
  return scenario;
}

}  // namespace scoutfs::sim
