#include "engine/format/server_items.hpp"

namespace scoutfs::format {

namespace {

std::string make_key(ServerItem type) {
  return std::string(1, static_cast<char>(type));
}

std::string make_key(ServerItem type, std::uint64_t a) {
  std::string key = make_key(type);
  Writer(key).put_big(a);
  return key;
}

std::string make_key(ServerItem type, std::uint64_t a, std::uint64_t b) {
  std::string key = make_key(type, a);
  Writer(key).put_big(b);
  return key;
}

constexpr std::size_t kTextMax = 256;  // bytes of a host's name or id

}  // namespace

std::string counters_key() {
  return make_key(ServerItem::counters);
}
std::string segment_key(BlockNo start) {
  return make_key(ServerItem::segment, start.value);
}
std::string free_key(BlockNo start) {
  return make_key(ServerItem::free, start.value);
}
std::string granted_key(Rid rid, BlockNo start) {
  return make_key(ServerItem::granted, rid.value, start.value);
}
std::string member_key(Rid rid) {
  return make_key(ServerItem::member, rid.value);
}
std::string job_key(JobId job) {
  return make_key(ServerItem::job, job.value);
}
std::string replaced_key(Version version, BlockNo start) {
  return make_key(ServerItem::replaced, version.value, start.value);
}

Result<ParsedServerKey> parse_server_key(std::string_view key) {
  Reader in(key);
  ParsedServerKey parsed;
  parsed.type = static_cast<ServerItem>(in.get<std::uint8_t>());
  switch (parsed.type) {
    case ServerItem::counters:
      break;
    case ServerItem::segment:
    case ServerItem::free:
      parsed.start = BlockNo{in.get_big<std::uint64_t>()};
      break;
    case ServerItem::granted:
      parsed.rid = Rid{in.get_big<std::uint64_t>()};
      parsed.start = BlockNo{in.get_big<std::uint64_t>()};
      break;
    case ServerItem::member:
      parsed.rid = Rid{in.get_big<std::uint64_t>()};
      break;
    case ServerItem::job:
      parsed.job = JobId{in.get_big<std::uint64_t>()};
      break;
    case ServerItem::replaced:
      parsed.version = Version{in.get_big<std::uint64_t>()};
      parsed.start = BlockNo{in.get_big<std::uint64_t>()};
      break;
    default:
      return fail(Errc::corrupt);
  }
  if (!in.finished()) return fail(Errc::corrupt);
  return parsed;
}

std::string encode_count(std::uint64_t count) {
  SCOUTFS_ASSERT(count > 0);
  std::string bytes;
  Writer(bytes).put(count);
  return bytes;
}

Result<std::uint64_t> decode_count(std::string_view value) {
  Reader in(value);
  const auto count = in.get<std::uint64_t>();
  if (!in.finished() || count == 0) return fail(Errc::corrupt);
  return count;
}

std::string encode(const Counters& counters) {
  std::string bytes;
  Writer out(bytes);
  out.put(counters.next_ino);
  out.put(counters.next_seq);
  out.put(counters.next_record);
  out.put(counters.next_job);
  out.put(counters.version);
  return bytes;
}

Result<Counters> decode_counters(std::string_view value) {
  Reader in(value);
  Counters counters;
  counters.next_ino = in.get_id<Ino>();
  counters.next_seq = in.get_id<Seq>();
  counters.next_record = in.get_id<RecordNo>();
  counters.next_job = in.get_id<JobId>();
  counters.version = in.get_id<Version>();
  if (!in.finished()) return fail(Errc::corrupt);
  return counters;
}

std::string encode(const Member& member) {
  std::string bytes;
  Writer out(bytes);
  out.put(member.who);
  out.put(member.slot);
  out.put(member.address.ip);
  out.put(member.address.port);
  out.put_string(member.name);
  out.put_string(member.host.machine);
  out.put_string(member.host.boot);
  out.put(member.host.process);
  out.put(member.host.process_start);
  out.put(member.recorded);
  out.put(member.recorded_at);
  out.put_bool(member.dead);
  return bytes;
}

Result<Member> decode_member(std::string_view value) {
  Reader in(value);
  Member member;
  member.who = in.get_incarnation();
  member.slot = in.get<std::uint16_t>();
  member.address.ip = in.get<std::uint32_t>();
  member.address.port = in.get<std::uint16_t>();
  member.name = in.get_string(kTextMax);
  member.host.machine = in.get_string(kTextMax);
  member.host.boot = in.get_string(kTextMax);
  member.host.process = in.get<std::uint64_t>();
  member.host.process_start = in.get<std::uint64_t>();
  member.recorded = in.get_id<TxnNo>();
  member.recorded_at = in.get_id<Version>();
  member.dead = in.get_bool();
  if (!in.finished()) return fail(Errc::corrupt);
  return member;
}

std::string encode(const JobRecord& job) {
  std::string bytes;
  Writer out(bytes);
  out.put(job.rid);
  out.put_varint(job.inputs.size());
  for (const BlockNo input : job.inputs) out.put(input);
  out.put_varint(job.outputs.size());
  for (const Extent& output : job.outputs) out.put(output);
  return bytes;
}

Result<JobRecord> decode_job_record(std::string_view value) {
  Reader in(value);
  JobRecord job;
  job.rid = in.get_id<Rid>();
  job.inputs.resize(in.get_count(sizeof(std::uint64_t)));
  for (BlockNo& input : job.inputs) input = in.get_id<BlockNo>();
  job.outputs.resize(in.get_count(2 * sizeof(std::uint64_t)));
  for (Extent& output : job.outputs) output = in.get_extent();
  if (!in.finished()) return fail(Errc::corrupt);
  return job;
}

}  // namespace scoutfs::format
