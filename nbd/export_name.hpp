// Export names: how a client tells a fencing disk server who it is.
//
// An NBD server learns one thing of a client before its first request: the name of the export
// it wants. Our disk server (nbd/plugin) reads an identity out of it:
//
//   scoutfs/1?volume=HEX16&node=TEXT&rid=HEX16&epoch=N&role=ROLE&session=N&table=HEX16&born=N
//   &mac=HEX64                                                          (one line, no blank)
//
//   volume    fsid of the volume
//   node      name of the host, for the operator; bytes other than A-Z a-z 0-9 - _ . are %XX
//   rid epoch the incarnation; the epoch is 0 while the mount has no slot yet
//   role      mount, leader, control (commands instead of the disk) or format (mkfs -f)
//   session   counts the connections of one incarnation in time: a higher number ends all lower
//             ones; connections of one number stand beside each other
//   table     id of the server's fence table when this incarnation first connected
//   born      that table's generation then
//   mac       HMAC-SHA256 of everything before "&mac=", the key being the volume's secret
//
// Numbers are decimal without leading zeros, hexadecimal digits lower case: one identity has
// one name. The name proves that its maker has read the volume; who may read it, and who may
// listen, is the matter of the socket's permissions or of TLS.
//
// The server offers itself in its list of exports: the export kStatusExport has the description
// "scoutfs fencing 1 table=HEX16 generation=N boot=TEXT".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"

namespace scoutfs::nbd {

inline constexpr std::string_view kStatusExport = "scoutfs-status";
inline constexpr std::string_view kIdentityPrefix = "scoutfs/1?";
inline constexpr std::size_t kNodeNameMax = 64;      // bytes
inline constexpr std::size_t kExportNameMax = 1024;  // bytes; an identity is shorter

enum class Role : std::uint8_t { mount, leader, control, format };
std::string_view to_string(Role role);

// What a server says of its fence table.
struct Offer {
  std::uint64_t table = 0;       // id, drawn at random when the table was made
  std::uint64_t generation = 0;  // fences so far
  std::string boot;              // of the storage's host: another one has lost unflushed writes
  bool operator==(const Offer&) const = default;
};

struct Identity {
  Fsid fsid;
  std::string node;  // at most kNodeNameMax bytes
  Incarnation who;
  Role role = Role::mount;
  std::uint64_t session = 0;
  std::uint64_t table = 0;
  std::uint64_t born = 0;
  bool operator==(const Identity&) const = default;
};

// Requires: the node's name is not too long, `secret` is the volume's.
std::string encode(const Identity& identity, std::string_view secret);
// Whether `name` claims to be an identity.
bool is_identity(std::string_view name);
// Errors: invalid. Says nothing about who made it: see verify().
Result<Identity> parse_identity(std::string_view name);
// True if `name` was made by somebody who knows `secret`. Requires: it parses.
bool verify(std::string_view name, std::string_view secret);

std::string encode(const Offer& offer);
// Errors: invalid.
Result<Offer> parse_offer(std::string_view description);

}  // namespace scoutfs::nbd
