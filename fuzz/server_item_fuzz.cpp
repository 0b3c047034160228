// Keys and values of the server tree. What decodes is what its encoder gives.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/check/print.hpp"
#include "engine/format/server_items.hpp"
#include "engine/lsm/segment.hpp"

namespace scoutfs::format {
namespace {

std::string make_key(const ParsedServerKey& key) {
  switch (key.type) {
    case ServerItem::counters:
      return counters_key();
    case ServerItem::segment:
      return segment_key(key.start);
    case ServerItem::free:
      return free_key(key.start);
    case ServerItem::granted:
      return granted_key(key.rid, key.start);
    case ServerItem::member:
      return member_key(key.rid);
    case ServerItem::job:
      return job_key(key.job);
    case ServerItem::replaced:
      return replaced_key(key.version, key.start);
  }
  return {};
}

// The input is a key's size in one byte, the key and the value.
void check_item(std::string_view input) {
  Reader in(input);
  const std::string_view key = in.get_raw(in.get<std::uint8_t>());
  if (!in.good()) return;
  const std::string_view value = in.rest();
  const Result<ParsedServerKey> parsed = parse_server_key(key);
  if (parsed.has_value()) SCOUTFS_ASSERT(make_key(*parsed) == key);
  const Result<std::uint64_t> count = decode_count(value);
  if (count.has_value()) SCOUTFS_ASSERT(encode_count(*count) == value);
  const Result<Counters> counters = decode_counters(value);
  if (counters.has_value()) SCOUTFS_ASSERT(encode(*counters) == value);
  const Result<Member> member = decode_member(value);
  if (member.has_value()) SCOUTFS_ASSERT(encode(*member) == value);
  const Result<JobRecord> job = decode_job_record(value);
  if (job.has_value()) SCOUTFS_ASSERT(encode(*job) == value);
  Reader placed_in(value);
  const lsm::Placed placed = lsm::decode_placed(placed_in);
  if (placed_in.finished()) {
    std::string bytes;
    Writer out(bytes);
    lsm::encode(out, placed);
    SCOUTFS_ASSERT(bytes == value);
  }
  const std::string line = check::print_server_item(key, value);
  SCOUTFS_ASSERT(line.find('\n') == std::string::npos);
}

}  // namespace
}  // namespace scoutfs::format

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  scoutfs::format::check_item({reinterpret_cast<const char*>(data), size});
  return 0;
}
