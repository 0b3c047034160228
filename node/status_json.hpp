// The state of a mount as JSON, for the admin socket.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/mount/mount.hpp"
#include "node/kernel_cache.hpp"

namespace scoutfs::node {

// Ids are strings of 16 hexadecimal digits; a seq, count or size is a number.
nlohmann::json to_json(const MountStatus& status);
nlohmann::json to_json(const CacheCounts& counts);

// 16 hexadecimal digits.
std::string hex(std::uint64_t id);
// 8-4-4-4-12.
std::string uuid_text(const std::array<char, 16>& uuid);

}  // namespace scoutfs::node
