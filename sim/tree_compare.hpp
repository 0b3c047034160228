// Compares a volume's items, read offline, with the model: names, links, attributes, content.
#pragma once

#include <cstdint>

#include "sim/image.hpp"
#include "sim/judge.hpp"
#include "sim/oracle_board.hpp"

namespace scoutfs::sim {

// After a crash inodes that have no link may still be there.
enum class Orphans : std::uint8_t { none, may_be_there };

// Requires: no operation is in progress. Reports to the oracle "tree".
void compare_tree(const Image& image, Judge& judge, OracleBoard& board, Orphans orphans);

}  // namespace scoutfs::sim
