// `scoutfs sim explain`: a run as a page to look at.
#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include "cli/command.hpp"
#include "cli/sim_arguments.hpp"
#include "sim/explain/explain.hpp"

namespace scoutfs::cli {

namespace {

struct Arguments {
  RunArguments run;
  std::uint64_t seed = 1;
  std::string output;
};

// The exit code.
int write_page(const Arguments& arguments, const sim::Verdict& verdict,
               const std::string& page) {
  std::ofstream file(arguments.output, std::ios::binary | std::ios::trunc);
  file << page;
  file.close();
  if (file.fail()) {
    return failed("sim explain", fmt::format("{}: {}", arguments.output, std::strerror(errno)));
  }
  fmt::print("{}{}: {} bytes; open it with a browser\n", sim::to_text(verdict),
             arguments.output, page.size());
  std::fflush(stdout);
  return kOk;
}

void run(const Arguments& arguments) {
  int code = kOk;
  sim::explain(arguments.run.config_with_edits("sim explain", arguments.seed),
               [&](const sim::Verdict& verdict, const std::string& page) {
                 code = write_page(arguments, verdict, page);
               });
  if (code != kOk) throw CLI::RuntimeError(code);
}

}  // namespace

void add_sim_explain(CLI::App& sim) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& command = *sim.add_subcommand(
      "explain", "Run one seed and draw what happened, as an HTML file that stands alone");
  command.add_option("SEED", arguments->seed, "the seed")->required();
  command.add_option("-o,--output", arguments->output, "the file to write")->required();
  arguments->run.add_with_edits_to(command);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace scoutfs::cli
