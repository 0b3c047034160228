#include "sim/shrink/edits_codec.hpp"

#include <fmt/core.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "sim/build_id.hpp"
#include "sim/plan.hpp"
#include "sim/scenarios/fields.hpp"
#include "sim/scenarios/scenarios.hpp"
#include "sim/shrink/operation_codec.hpp"

namespace scoutfs::sim {

namespace {

using nlohmann::json;

constexpr std::uint64_t kAny = ~0ULL;
constexpr TimeNs kTimeMax = 1'000'000'000 * kSecond;
constexpr unsigned kNodesMax = 15;
constexpr std::size_t kTextMax = 100;  // bytes, of names that are words

json to_json(const DecidedFault& decided) {
  return {{"number", decided.number}, {"at_ns", decided.at.ns}, {"steps", decided.at.steps}};
}

DecidedFault read_fault(Fields& fields) {
  DecidedFault decided;
  decided.number = fields.number("number", kAny);
  decided.at.ns = fields.number("at_ns", kTimeMax);
  decided.at.steps = fields.number("steps", kAny);
  return decided;
}

std::shared_ptr<const Scenario> read_scenario(Fields& config, std::string& error) {
  constexpr std::size_t kScenarioMax = 1u << 20;  // bytes
  Fields fields(config.member("scenario"), "scenario", error);
  std::string name = fields.text("name", kScenarioMax);
  const std::string text = fields.text("text", kScenarioMax);
  const bool built_in = fields.flag("built_in");
  fields.finish();
  std::expected<Scenario, std::string> scenario = decode_scenario(std::move(name), text);
  if (!scenario.has_value()) {
    fields.complain(scenario.error());
    return nullptr;
  }
  scenario->built_in = built_in;
  return std::make_shared<const Scenario>(*std::move(scenario));
}

RunConfig read_run(Fields& file, std::string& error) {
  RunConfig run;
  run.seed = file.number("seed", kAny);
  Fields config(file.member("config"), "config", error);
  run.nodes = static_cast<unsigned>(config.number("nodes", kNodesMax));
  run.operations = config.number("operations", kAny);
  run.faults = config.flag("faults");
  run.canary = config.flag("canary");
  run.canary_unjudged = config.flag("canary_unjudged", false);
  if (config.has("scenario")) run.scenario = read_scenario(config, error);
  config.finish();
  return run;
}

// Each of the list as `read` reads it.
template <class T, class Read>
std::vector<T> read_list(Fields& file, const char* name, std::string& error, const Read& read) {
  std::vector<T> all;
  for (const json& item : file.list(name)) {
    Fields fields(item, fmt::format("{} {}", name, all.size()), error);
    all.push_back(read(fields));
    if (!error.empty()) break;
  }
  return all;
}

std::vector<unsigned> read_nodes(Fields& file) {
  std::vector<unsigned> nodes;
  for (const json& item : file.list("nodes")) {
    if (!item.is_number_unsigned() || item.get<std::uint64_t>() > kNodesMax) {
      file.complain("nodes is no list of nodes");
      break;
    }
    nodes.push_back(item.get<unsigned>());
  }
  return nodes;
}

// The plan's fault of that number is of the kind that the file says.
std::vector<DecidedFault> read_faults(Fields& file, const Plan& plan, std::string& error) {
  return read_list<DecidedFault>(file, "faults", error, [&plan](Fields& fields) {
    const DecidedFault decided = read_fault(fields);
    const std::string kind = fields.text("kind", kTextMax);
    fields.finish();
    if (decided.number >= plan.faults.size()) {
      fields.complain(fmt::format("the seed has no fault {} in this build", decided.number));
    } else if (to_string(plan.faults[decided.number].kind) != kind) {
      fields.complain(fmt::format("fault {} of the seed is {} in this build, not {}",
                                  decided.number, to_string(plan.faults[decided.number].kind),
                                  kind));
    }
    return decided;
  });
}

Edits read_edits(Fields& file, const Plan& plan, std::string& error) {
  Edits edits;
  edits.nodes = read_nodes(file);
  edits.operations = read_list<DecidedOperation>(
      file, "operations", error, [](Fields& fields) { return read_operation(fields); });
  edits.faults = read_faults(file, plan, error);
  edits.troubles = read_list<DecidedFault>(file, "troubles", error, [](Fields& fields) {
    const DecidedFault decided = read_fault(fields);
    fields.finish();
    return decided;
  });
  edits.calm_network_from = file.number("calm_network_from", kAny, kAny);
  edits.calm_disk_from = file.number("calm_disk_from", kAny, kAny);
  edits.disk_errors = file.flag("disk_errors");
  return edits;
}

}  // namespace

std::string encode(const EditsFile& file) {
  const Plan plan = make_plan(file.run);
  SCOUTFS_ASSERT(misfit(file.edits, plan).empty());
  json document = {{"version", kEditsVersion},
                   {"build", file.build},
                   {"seed", file.run.seed},
                   {"config",
                    {{"nodes", file.run.nodes},
                     {"operations", file.run.operations},
                     {"faults", file.run.faults},
                     {"canary", file.run.canary}}},
                   {"oracle", file.oracle},
                   {"nodes", file.edits.nodes},
                   {"operations", json::array()},
                   {"faults", json::array()},
                   {"troubles", json::array()},
                   {"disk_errors", file.edits.disk_errors}};
  if (file.run.canary_unjudged) document["config"]["canary_unjudged"] = true;
  if (file.run.scenario != nullptr) {
    document["config"]["scenario"] = {{"name", file.run.scenario->name},
                                      {"text", file.run.scenario->text},
                                      {"built_in", file.run.scenario->built_in}};
  }
  for (const DecidedOperation& decided : file.edits.operations) {
    document["operations"].push_back(to_json(decided));
  }
  for (const DecidedFault& decided : file.edits.faults) {
    document["faults"].push_back(to_json(decided));
    document["faults"].back()["kind"] = to_string(plan.faults[decided.number].kind);
  }
  for (const DecidedFault& decided : file.edits.troubles) {
    document["troubles"].push_back(to_json(decided));
  }
  const auto put_calm = [&document](const char* name, std::uint64_t from) {
    if (from != kAny) document[name] = from;
  };
  put_calm("calm_network_from", file.edits.calm_network_from);
  put_calm("calm_disk_from", file.edits.calm_disk_from);
  return document.dump(1) + "\n";
}

std::expected<EditsFile, std::string> decode_edits(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  if (document.is_discarded() || !document.is_object() || !document.contains("version")) {
    return std::unexpected("not a file of edits");
  }
  std::string error;
  Fields fields(document, "", error);
  const std::uint64_t version = fields.number("version", kAny);
  if (version != kEditsVersion) {
    return std::unexpected(fmt::format("edits of version {}; this build reads version {}",
                                       version, kEditsVersion));
  }
  EditsFile file;
  file.build = fields.text("build", kTextMax);
  file.oracle = fields.text("oracle", kTextMax);
  file.run = read_run(fields, error);
  if (error.empty()) {
    const Plan plan = make_plan(file.run);
    file.edits = read_edits(fields, plan, error);
    fields.finish();
    if (error.empty()) error = misfit(file.edits, plan);
  }
  if (error.empty()) return file;
  if (!file.build.empty() && file.build != build_id()) {
    error += "; the file is of another build";
  }
  return std::unexpected(error);
}

void DecisionLines::operation(const DecidedOperation& decided) {
  tell_(json({{"operation", to_json(decided)}}).dump());
}
void DecisionLines::fault(const DecidedFault& decided) {
  tell_(json({{"fault", to_json(decided)}}).dump());
}
void DecisionLines::trouble(const DecidedFault& decided) {
  tell_(json({{"trouble", to_json(decided)}}).dump());
}

Edits edits_of_lines(std::string_view lines, const Plan& plan) {
  std::map<std::pair<unsigned, std::uint64_t>, DecidedOperation> operations;
  Edits edits;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    if (end == std::string_view::npos) break;
    const json line = json::parse(lines.substr(0, end), nullptr, false);
    lines.remove_prefix(end + 1);
    if (!line.is_object()) break;
    std::string error;
    for (const auto& [name, value] : line.items()) {
      Fields fields(value, name, error);
      if (name == "operation") {
        DecidedOperation decided = read_operation(fields);
        operations[{decided.node, decided.ordinal}] = std::move(decided);
      } else {
        (name == "fault" ? edits.faults : edits.troubles).push_back(read_fault(fields));
      }
    }
    SCOUTFS_ASSERT(error.empty());
  }
  edits.nodes.resize(plan.nodes);
  std::iota(edits.nodes.begin(), edits.nodes.end(), 0U);
  for (auto& [name, decided] : operations) edits.operations.push_back(std::move(decided));
  return edits;
}

}  // namespace scoutfs::sim
