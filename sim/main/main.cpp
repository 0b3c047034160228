// The simulator alone: `scoutfs_sim_main sim ...`.
#include "cli/sim.hpp"

int main(int argc, char** argv) {
  CLI::App app("the simulator");
  scoutfs::cli::add_sim_command(app);
  CLI11_PARSE(app, argc, argv);
  return 0;
}
