// `scoutfs sim list`, `show`, `stats` and `coverage`: what a run store says.
#include <fmt/core.h>

#include <functional>
#include <memory>
#include <utility>

#include "cli/command.hpp"
#include "cli/sim_arguments.hpp"
#include "cli/table.hpp"
#include "sim/store/run_query.hpp"

namespace scoutfs::cli {

namespace {

struct Arguments {
  std::string db;
  std::string seeds, verdict, oracle, fault, build;
  std::uint64_t limit = 50;
  bool qualifies = false;
  bool trace = false;
  bool json = false;

  sim::RunFilter filter() const {
    sim::RunFilter filter;
    if (!seeds.empty()) {
      const SeedRange range = parse_seeds(seeds);
      filter.first_seed = range.first;
      filter.last_seed = range.last;
    }
    if (!verdict.empty()) filter.passed = verdict == "pass";
    if (!oracle.empty()) filter.oracle = oracle;
    if (!fault.empty()) filter.fault = fault;
    if (!build.empty()) filter.build = build;
    filter.qualifies = qualifies;
    return filter;
  }
};

std::string shortened(const std::string& text, std::size_t size) {
  return text.size() <= size ? text : text.substr(0, size - 3) + "...";
}

constexpr std::size_t kIdShown = 12;  // digits of a build or a hash

nlohmann::json to_json(const sim::RunRow& row) {
  nlohmann::json json = {
      {"run", row.run},
      {"seed", row.seed},
      {"build", row.build},
      {"config", nlohmann::json::parse(row.config, nullptr, false)},
      {"finished", row.finished},
      {"verdict", row.verdict},
      {"hash", row.hash},
      {"nodes", row.nodes},
      {"virtual_ms", row.virtual_ms},
      {"probe_ms", row.probe_ms},
      {"events", row.events},
      {"steps", row.steps},
      {"operations", row.operations},
      {"lost_operations", row.lost_operations},
      {"injected", row.injected},
      {"noticed", row.noticed},
      {"deaths", row.deaths},
      {"late_writes", row.late_writes},
      {"messages", row.messages},
      {"disk_requests", row.disk_requests},
      {"qualifies", row.qualifies},
  };
  if (row.verdict == "fail") {
    json["oracle"] = row.oracle;
    json["what"] = row.what;
  }
  return json;
}

int list(sim::RunQuery& query, const Arguments& arguments) {
  const std::vector<sim::RunRow> rows = query.list(arguments.filter(), arguments.limit);
  if (arguments.json) {
    for (const sim::RunRow& row : rows) fmt::print("{}\n", to_json(row).dump());
    return kOk;
  }
  Table table({"Seed", "Verdict", "Nodes", "Ops", "Injected", "Noticed", "Build", "Hash",
               "Finished (UTC)", "What"});
  for (const sim::RunRow& row : rows) {
    const std::string what = row.oracle.empty() ? "" : row.oracle + ": " + row.what;
    table.add({std::to_string(row.seed), row.verdict, std::to_string(row.nodes),
               std::to_string(row.operations), std::to_string(row.injected),
               std::to_string(row.noticed), row.build.substr(0, kIdShown),
               row.hash.substr(0, kIdShown), row.finished, shortened(what, 80)});
  }
  fmt::print("{}", table.text());
  return kOk;
}

nlohmann::json to_json(const sim::RunDetails& details) {
  nlohmann::json json = to_json(details.row);
  for (const auto& oracle : details.oracles) {
    json["oracles"][oracle.name] = {{"state", oracle.state}, {"looked", oracle.looked}};
  }
  for (const auto& fault : details.faults) {
    json["faults"][fault.kind] = {{"injected", fault.injected}, {"noticed", fault.noticed}};
  }
  json["answers"] = details.operations;
  json["errors"] = details.errors;
  json["protocol"] = details.protocol;
  json["trace_bytes"] = details.trace_bytes;
  return json;
}

void print_counts(const char* title, const std::map<std::string, std::uint64_t>& counts) {
  std::string line;
  for (const auto& [name, count] : counts) {
    line += fmt::format("{}{} {}", line.empty() ? "" : ", ", name, count);
  }
  fmt::print("{:<11} {}\n", title, line.empty() ? "none" : line);
}

void print_details(const sim::RunDetails& details) {
  const sim::RunRow& row = details.row;
  fmt::print("seed {}: {}  {}\n", row.seed, row.verdict, row.hash);
  if (!row.oracle.empty()) fmt::print("{:<11} {}\n", row.oracle, row.what);
  fmt::print("{:<11} {}\n{:<11} {}\n{:<11} {} UTC\n", "build", row.build, "config", row.config,
             "finished", row.finished);
  fmt::print(
      "{:<11} {} nodes, {}.{:03} s virtual, {} operations ({} lost), {} messages, "
      "{} disk requests, {} deaths, {} late writes\n",
      "figures", row.nodes, row.virtual_ms / 1000, row.virtual_ms % 1000, row.operations,
      row.lost_operations, row.messages, row.disk_requests, row.deaths, row.late_writes);
  Table oracles({"Oracle", "State", "Looked"});
  for (const auto& oracle : details.oracles) {
    oracles.add({oracle.name, oracle.state, std::to_string(oracle.looked)});
  }
  Table faults({"Fault", "Injected", "Noticed"});
  for (const auto& fault : details.faults) {
    faults.add({fault.kind, std::to_string(fault.injected), std::to_string(fault.noticed)});
  }
  fmt::print("\n{}\n{}\n", oracles.text(), faults.text());
  print_counts("answers", details.operations);
  print_counts("errors", details.errors);
  print_counts("protocol", details.protocol);
  if (details.trace_bytes > 0) {
    fmt::print("{:<11} {} bytes: add --trace\n", "trace", details.trace_bytes);
  }
}

int show(sim::RunQuery& query, const Arguments& arguments) {
  const std::optional<sim::RunDetails> details = query.show(arguments.filter());
  if (!details.has_value()) {
    return failed("sim show",
                  fmt::format("{}: no such run of seed {}", arguments.db, arguments.seeds));
  }
  if (arguments.trace) {
    const std::optional<std::string> trace = query.trace(details->row.run);
    if (!trace.has_value()) {
      return failed("sim show", fmt::format("seed {}: no trace is kept of a run that passed",
                                            details->row.seed));
    }
    fmt::print("{}", *trace);
    return kOk;
  }
  if (arguments.json) {
    print_json(to_json(*details));
  } else {
    print_details(*details);
  }
  return kOk;
}

int stats(sim::RunQuery& query, const Arguments& arguments) {
  const std::vector<sim::CampaignStats> all = query.stats(arguments.filter());
  Table table({"Build", "Config", "Seeds", "Runs", "Failed", "Qualify", "Ops", "Injected",
               "Noticed", "Deaths", "Virtual h", "Until (UTC)"});
  auto json = nlohmann::json::array();
  for (const sim::CampaignStats& stats : all) {
    json.push_back({{"build", stats.build},
                    {"config", nlohmann::json::parse(stats.config, nullptr, false)},
                    {"from", stats.from},
                    {"to", stats.to},
                    {"runs", stats.runs},
                    {"failed", stats.failed},
                    {"qualifying", stats.qualifying},
                    {"first_seed", stats.first_seed},
                    {"last_seed", stats.last_seed},
                    {"virtual_ms", stats.virtual_ms},
                    {"operations", stats.operations},
                    {"injected", stats.injected},
                    {"noticed", stats.noticed},
                    {"deaths", stats.deaths},
                    {"failures", stats.failures}});
    table.add({stats.build.substr(0, kIdShown), stats.config,
               fmt::format("{}..{}", stats.first_seed, stats.last_seed),
               std::to_string(stats.runs), std::to_string(stats.failed),
               std::to_string(stats.qualifying), std::to_string(stats.operations),
               std::to_string(stats.injected), std::to_string(stats.noticed),
               std::to_string(stats.deaths),
               fmt::format("{:.1f}", static_cast<double>(stats.virtual_ms) / 3.6e6), stats.to});
  }
  if (arguments.json) {
    print_json(json);
    return kOk;
  }
  fmt::print("{}", table.text());
  for (const sim::CampaignStats& stats : all) {
    if (stats.failures.empty()) continue;
    print_counts(
        fmt::format("\nfailures of {}, by oracle:", stats.build.substr(0, kIdShown)).c_str(),
        stats.failures);
  }
  return kOk;
}

nlohmann::json to_json(const std::map<std::string, sim::Coverage::Count>& counts) {
  auto json = nlohmann::json::object();
  for (const auto& [name, count] : counts) {
    json[name] = {{"count", count.count}, {"runs", count.runs}};
  }
  return json;
}

nlohmann::json to_json(const sim::Coverage& coverage) {
  nlohmann::json json = {
      {"runs", coverage.runs},
      {"oracles", nlohmann::json::object()},
      {"faults", nlohmann::json::object()},
      {"fault_pairs", {{"all", coverage.fault_pairs}, {"seen", coverage.fault_pairs_seen}}},
      {"answers", to_json(coverage.operations)},
      {"errors", to_json(coverage.errors)},
      {"protocol", to_json(coverage.protocol)},
  };
  for (const auto& [name, oracle] : coverage.oracles) {
    json["oracles"][name] = {{"ran", oracle.ran},
                             {"not_applicable", oracle.not_applicable},
                             {"failed", oracle.failed},
                             {"looked", oracle.looked}};
  }
  for (const auto& [kind, fault] : coverage.faults) {
    json["faults"][kind] = {{"injected", fault.injected},
                            {"noticed", fault.noticed},
                            {"runs", fault.runs},
                            {"runs_noticed", fault.runs_noticed}};
  }
  return json;
}

void print_counts(const char* title, const sim::Coverage& coverage,
                  const std::map<std::string, sim::Coverage::Count>& counts) {
  Table table({title, "Count", "Runs", "% of runs"});
  for (const auto& [name, count] : counts) {
    table.add({name, std::to_string(count.count), std::to_string(count.runs),
               percent(count.runs, coverage.runs)});
  }
  fmt::print("\n{}", table.text());
}

int coverage(sim::RunQuery& query, const Arguments& arguments) {
  const sim::Coverage coverage = query.coverage(arguments.filter());
  if (arguments.json) {
    print_json(to_json(coverage));
    return kOk;
  }
  fmt::print("{} runs\n\n", coverage.runs);
  Table oracles({"Oracle", "Ran", "Not applicable", "Failed", "Looked", "% of runs"});
  for (const auto& [name, oracle] : coverage.oracles) {
    oracles.add({name, std::to_string(oracle.ran), std::to_string(oracle.not_applicable),
                 std::to_string(oracle.failed), std::to_string(oracle.looked),
                 percent(oracle.ran + oracle.failed, coverage.runs)});
  }
  Table faults({"Fault", "Injected", "Noticed", "Runs", "Runs noticed", "% noticed"});
  for (const auto& [kind, fault] : coverage.faults) {
    faults.add({kind, std::to_string(fault.injected), std::to_string(fault.noticed),
                std::to_string(fault.runs), std::to_string(fault.runs_noticed),
                percent(fault.noticed, fault.injected)});
  }
  fmt::print("{}\n{}\npairs of faults noticed in one run: {} of {}\n", oracles.text(),
             faults.text(), coverage.fault_pairs_seen, coverage.fault_pairs);
  print_counts("Operation", coverage, coverage.operations);
  print_counts("Error answered", coverage, coverage.errors);
  print_counts("Message or event", coverage, coverage.protocol);
  return kOk;
}

using Command = int (*)(sim::RunQuery&, const Arguments&);

CLI::App& add(CLI::App& sim, const std::shared_ptr<Arguments>& arguments, const char* name,
              const char* description, Command command) {
  CLI::App& app = *sim.add_subcommand(name, description);
  app.add_option("--db", arguments->db, "the run store, as `sim run --db` writes it")
      ->required();
  app.add_option("--build", arguments->build, "runs of this build: how its id begins");
  app.add_flag("--json", arguments->json, "print JSON");
  app.callback([arguments, command, name] {
    int code = kOk;
    try {
      sim::RunQuery query(arguments->db);
      code = command(query, *arguments);
    } catch (const sim::StoreError& error) {
      code = failed(std::string("sim ") + name, error.what());
    }
    if (code != kOk) throw CLI::RuntimeError(code);
  });
  return app;
}

void add_filters(CLI::App& app, Arguments& arguments) {
  app.add_option("--seeds", arguments.seeds, "of these seeds, as A..B");
  app.add_option("--verdict", arguments.verdict, "pass or fail")
      ->check(CLI::IsMember({"pass", "fail"}));
  app.add_option("--oracle", arguments.oracle, "that this oracle failed");
  app.add_option("--fault", arguments.fault, "with this kind of fault in them");
  app.add_flag("--qualifying", arguments.qualifies,
               "with 3 to 5 nodes, 200 operations and 3 faults that were noticed");
}

}  // namespace

void add_sim_store(CLI::App& sim) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& list_app = add(sim, arguments, "list", "List recorded runs, newest first", list);
  add_filters(list_app, *arguments);
  list_app.add_option("--limit", arguments->limit, "at most so many; 0: all")
      ->capture_default_str();
  CLI::App& show_app =
      add(sim, arguments, "show", "Show all that is recorded of a seed's newest run", show);
  show_app.add_option("SEED", arguments->seeds, "the seed")->required();
  show_app.add_flag("--trace", arguments->trace, "print the story of a run that failed");
  add_filters(add(sim, arguments, "stats", "Sum up each build and configuration", stats),
              *arguments);
  add_filters(
      add(sim, arguments, "coverage",
          "Say what the runs came across: oracles, faults, operations, messages", coverage),
      *arguments);
}

}  // namespace scoutfs::cli
