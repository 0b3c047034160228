// The tables of a run store. sim/store/README.md describes them for who queries them.
#pragma once

#include <cstdint>

#include "sim/store/database.hpp"

namespace scoutfs::sim {

// Changes whenever a program of one version could not read what another has written.
inline constexpr std::int64_t kStoreVersion = 2;

// Makes the tables in an empty database. Errors: StoreError; it is no run store, or of another
// version: then nothing was changed.
void make_tables(Database& database);
// The same, without making any.
void expect_tables(Database& database);

}  // namespace scoutfs::sim
