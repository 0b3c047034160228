// `scoutfs sim`: runs seeds of the simulator.
#pragma once

#include <CLI/CLI.hpp>

namespace scoutfs::cli {

void add_sim_command(CLI::App& app);

}  // namespace scoutfs::cli
