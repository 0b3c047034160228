// A decided operation as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "sim/edits.hpp"
#include "sim/scenarios/fields.hpp"

namespace scoutfs::sim {

// What is as in an empty operation is left out; what is written is said by its size and stamp
// (workload.hpp).
nlohmann::json to_json(const DecidedOperation& decided);
// Errors: through `fields`.
DecidedOperation read_operation(Fields& fields);

}  // namespace scoutfs::sim
