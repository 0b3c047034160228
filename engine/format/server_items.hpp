// Items of the server tree: what the leader must know after a restart.
//
//   key                          value
//   0x01                         Counters
//   0x02 start u64               segment of the main tree: lsm::Placed (engine/lsm/segment.hpp)
//   0x03 start u64               free space: block count u64
//   0x04 rid u64, start u64      space granted to a member and not yet used: block count u64
//   0x05 rid u64                 Member
//   0x06 job u64                 JobRecord
//   0x07 version u64, start u64  replaced segment, freed when no list older than the version is
//   in
//                                use: block count u64
//
// Numbers in keys are big-endian, in values little-endian. Space is conserved: free, granted,
// job output, replaced, segments and the extents of files together are Superblock::space, and
// disjoint.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/codec.hpp"
#include "engine/base/ids.hpp"
#include "engine/env/fencing.hpp"
#include "engine/env/network.hpp"
#include "engine/format/key_range.hpp"

namespace scoutfs::format {

// Contributed to format_description(). Changes with the table above, or those of the values
// below.
inline constexpr std::string_view kServerItemsFormat = "server items 1\n";

enum class ServerItem : std::uint8_t {
  counters = 1,
  segment = 2,
  free = 3,
  granted = 4,
  member = 5,
  job = 6,
  replaced = 7,
};

std::string counters_key();
std::string segment_key(BlockNo start);
std::string free_key(BlockNo start);
std::string granted_key(Rid rid, BlockNo start);
std::string member_key(Rid rid);
std::string job_key(JobId job);
std::string replaced_key(Version version, BlockNo start);

struct ParsedServerKey {
  ServerItem type{};
  BlockNo start;    // segment, free, granted, replaced
  Rid rid;          // granted, member
  JobId job;        // job
  Version version;  // replaced
};
Result<ParsedServerKey> parse_server_key(std::string_view key);  // Errors: corrupt.

std::string encode_count(std::uint64_t count);
Result<std::uint64_t> decode_count(std::string_view value);  // Errors: corrupt; 0 is corrupt.

// High-water marks: numbers at and above them were never given out.
struct Counters {
  Ino next_ino;
  Seq next_seq;
  RecordNo next_record;
  JobId next_job;
  Version version;  // of the manifest: the newest recorded
  bool operator==(const Counters&) const = default;
};
std::string encode(const Counters& counters);
Result<Counters> decode_counters(std::string_view value);

inline constexpr std::uint16_t kNoSlot = 0xffff;

struct Member {
  Incarnation who;
  std::uint16_t slot = kNoSlot;
  Address address;
  std::string name;  // of the host, for messages
  HostId host;
  TxnNo recorded;       // its newest recorded transaction
  Version recorded_at;  // the manifest version that transaction made
  bool dead = false;    // no message of it is accepted any more (rule 2)
  bool operator==(const Member&) const = default;
};
std::string encode(const Member& member);
Result<Member> decode_member(std::string_view value);

// A compaction that was handed out: who runs it, what it reads, where it may write.
struct JobRecord {
  Rid rid;
  std::vector<BlockNo> inputs;  // starts of the input segments
  std::vector<Extent> outputs;  // space granted for it
  bool operator==(const JobRecord&) const = default;
};
std::string encode(const JobRecord& job);
Result<JobRecord> decode_job_record(std::string_view value);

}  // namespace scoutfs::format
