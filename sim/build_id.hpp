// Which build of the program this is.
#pragma once

#include <string>

namespace scoutfs::sim {

// The linker's hash of the program's contents, in hexadecimal: equal for equal builds, wherever
// and whenever they were made.
std::string build_id();

}  // namespace scoutfs::sim
