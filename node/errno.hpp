// The engine's error codes as the system's.
#pragma once

#include "engine/base/result.hpp"

namespace scoutfs::node {

// The errno a process sees. Never 0.
int to_errno(Errc code);

}  // namespace scoutfs::node
