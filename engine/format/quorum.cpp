#include "engine/format/quorum.hpp"

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"

namespace scoutfs::format {

namespace {

constexpr std::uint64_t kMagic = 0x6d75'726f'7571'6673;
constexpr std::size_t kChecksumSize = 8;  // bytes

std::uint64_t checksum_of(std::string_view image, Fsid fsid, std::uint16_t slot) {
  return checksum64(image.substr(kChecksumSize), mix(fsid.value, slot));
}

void put_text(Writer& out, std::string_view text) {
  SCOUTFS_ASSERT(text.size() <= QuorumBlock::kTextMax);
  out.put(static_cast<std::uint8_t>(text.size()));
  out.put_raw(text);
}

std::string get_text(Reader& in) {
  const auto size = in.get<std::uint8_t>();
  if (size > QuorumBlock::kTextMax) in.set_bad();
  return std::string(in.get_raw(in.good() ? size : 0));
}

}  // namespace

Incarnation leader_incarnation(Incarnation mount, Term term) {
  const std::uint64_t rid = mix(mount.rid.value, term.number, term.slot);
  return {.rid = Rid{rid == 0 ? 1 : rid}, .epoch = Epoch{term.number}};
}

bool QuorumBlock::inherited() const {
  return elect.number != 0 && server() != leader_incarnation(who, elect);
}

std::string encode(const QuorumBlock& block, Fsid fsid) {
  SCOUTFS_ASSERT(block.slot < kSlotsMax);
  std::string image(kChecksumSize, '\0');
  Writer out(image);
  out.put(kMagic);
  out.put(format_hash());
  out.put(block.write_number);
  out.put(block.slot);
  out.put(block.who);
  out.put(block.address.ip);
  out.put(block.address.port);
  out.put(block.elect);
  out.put(block.stop);
  out.put(block.voted);
  out.put(block.voted_for);
  out.put(block.leader);
  out.put_bool(block.ended);
  out.put(block.slots_version);
  out.put(block.host.process);
  out.put(block.host.process_start);
  put_text(out, block.name);
  put_text(out, block.host.machine);
  put_text(out, block.host.boot);
  out.pad_to(kBlockSize);
  store_little(image.data(), checksum_of(image, fsid, block.slot));
  return image;
}

Result<QuorumBlock> decode_quorum_block(std::string_view image, Fsid fsid, std::uint16_t slot) {
  if (image.size() != kBlockSize) return fail(Errc::corrupt);
  Reader in(image);
  const auto checksum = in.get<std::uint64_t>();
  // First, because most blocks have never been written, and all are read at every beat.
  if (in.get<std::uint64_t>() != kMagic) return fail(Errc::corrupt);
  if (checksum != checksum_of(image, fsid, slot)) return fail(Errc::corrupt);
  if (in.get<std::uint64_t>() != format_hash()) return fail(Errc::unsupported);
  QuorumBlock block;
  block.write_number = in.get<std::uint64_t>();
  block.slot = in.get<std::uint16_t>();
  block.who = in.get_incarnation();
  block.address.ip = in.get<std::uint32_t>();
  block.address.port = in.get<std::uint16_t>();
  block.elect = in.get_term();
  block.stop = in.get_term();
  block.voted = in.get_term();
  block.voted_for = in.get<std::uint16_t>();
  block.leader = in.get_id<Rid>();
  block.ended = in.get_bool();
  block.slots_version = in.get<std::uint64_t>();
  block.host.process = in.get<std::uint64_t>();
  block.host.process_start = in.get<std::uint64_t>();
  block.name = get_text(in);
  block.host.machine = get_text(in);
  block.host.boot = get_text(in);
  if (!in.rest_is_zero()) return fail(Errc::corrupt);
  if (block.slot != slot) return fail(Errc::corrupt);
  return block;
}

}  // namespace scoutfs::format
