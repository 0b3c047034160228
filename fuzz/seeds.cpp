// fuzz_seeds DIR: writes a small corpus for each target, DIR/TARGET/NAME.
//
// Seeds are made by the encoders of this build instead of being kept as files, so that they fit
// the formats as they are.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "engine/base/codec.hpp"
#include "engine/cluster/peer_messages.hpp"
#include "engine/format/inode.hpp"
#include "engine/format/journal.hpp"
#include "engine/format/keys.hpp"
#include "engine/format/quorum.hpp"
#include "engine/format/segment.hpp"
#include "engine/format/server_items.hpp"
#include "engine/lsm/segment_writer.hpp"
#include "engine/session/messages.hpp"
#include "nbd/plugin/fence_table.hpp"

namespace scoutfs {
namespace {

class Corpus {
 public:
  Corpus(const std::filesystem::path& root, std::string_view target) : folder_(root / target) {
    std::filesystem::create_directories(folder_);
  }
  void add(std::string_view name, std::string_view bytes) const {
    std::ofstream out(folder_ / name, std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  // As item_fuzz and server_item_fuzz take them.
  void add_item(std::string_view name, std::string_view key, std::string_view value) const {
    std::string bytes(1, static_cast<char>(key.size()));
    bytes += key;
    bytes += value;
    add(name, bytes);
  }

 private:
  std::filesystem::path folder_;
};

std::string without_zeros_at_end(std::string bytes) {
  bytes.resize(bytes.find_last_not_of('\0') + 1);
  return bytes;
}

void add_superblocks(const Corpus& corpus) {
  format::Superblock superblock;
  superblock.fsid = Fsid{7};
  superblock.cluster = "test";
  superblock.device_blocks = 16'384;
  superblock.journal = {BlockNo{format::kFirstRegion}, 256};
  superblock.server_area = {superblock.journal.end(), 1024};
  superblock.space = {superblock.server_area.end(), 10'000};
  superblock.checkpoint = 1;
  superblock.next_record = RecordNo{9};
  constexpr std::size_t kFields = 24;
  corpus.add("empty", without_zeros_at_end(encode(superblock).substr(kFields)));
  superblock.slots = {{0, {0x7f000001, 7000}}, {4, {0x7f000002, 7001}}};
  superblock.segments = {
      {{superblock.server_area.start, 3}, 11, RecordNo{4}, 0},
      {{BlockNo{superblock.server_area.start.value + 3}, 9}, 12, RecordNo{2}, 1}};
  corpus.add("full", without_zeros_at_end(encode(superblock).substr(kFields)));
}

void add_quorum_blocks(const Corpus& corpus) {
  format::QuorumBlock block;
  block.slot = 2;
  block.write_number = 5;
  block.who = {Rid{3}, Epoch{4}};
  block.address = {0x7f000001, 7000};
  block.elect = {2, 2};
  block.voted = {2, 2};
  block.voted_for = 2;
  block.host = {"machine", "boot", 17, 99};
  block.name = "host";
  corpus.add("leader", without_zeros_at_end(encode(block, Fsid{7}).substr(8)));
}

void add_journal_records(const Corpus& corpus) {
  format::JournalHeader header;
  header.fsid = Fsid{7};
  header.number = 3;
  header.block = 12;
  header.previous = 99;
  header.term = {1, 0};
  header.leader = Rid{5};
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{5000}}) {
    const std::string image = encode_journal_record(header, std::string(size, 'p'));
    corpus.add("payload_" + std::to_string(size), without_zeros_at_end(image.substr(8)));
  }
}

void add_segments(const Corpus& corpus) {
  format::ItemBlockBuilder block;
  block.add("key", "value");
  block.add("key.deleted", std::nullopt);
  block.add("other", std::string(300, 'v'));
  corpus.add("item_block", std::string(1, '\0') + std::string(block.finish()));

  lsm::SegmentBuilder::Options options;
  options.compression_level = 0;
  for (const std::size_t count : {std::size_t{1}, std::size_t{300}}) {
    lsm::SegmentBuilder builder(options);
    for (std::size_t i = 0; i < count; ++i) {
      builder.add(format::inode_key(Ino{i + 1}), std::string(format::Inode::kSize, 'i'));
    }
    const lsm::SegmentRef ref{{BlockNo{100}, builder.finish()}, 9};
    const std::string bytes = std::move(builder).seal(Fsid{7}, ref).bytes;
    const format::SegmentIdentity identity(Fsid{7}, ref.where, ref.id);
    const auto footer = format::decode_segment_footer(bytes, identity);
    SCOUTFS_ASSERT(footer.has_value());
    std::string seed(1, '\1');
    Writer out(seed);
    out.put(footer->item_count);
    out.put(footer->filter_offset);
    out.put(footer->filter_size);
    out.put(footer->index_size);
    out.put_raw(std::string_view(bytes).substr(
        0, footer->filter_offset + footer->filter_size + footer->index_size));
    corpus.add("segment_" + std::to_string(count), seed);
  }
}

void add_items(const Corpus& corpus) {
  using namespace format;
  Inode inode;
  inode.mode = kTypeRegular | 0644;
  inode.nlink = 1;
  corpus.add_item("inode", inode_key(Ino{9}), encode(inode));
  const Dirent dirent{Ino{9}, 4, kTypeRegular, "name"};
  corpus.add_item("dirent", dirent_key(Ino{2}, "name"), encode(dirent));
  corpus.add_item("readdir", readdir_key(Ino{2}, 4), encode(dirent));
  corpus.add_item("backref", backref_key(Ino{9}, Ino{2}, 4), encode(dirent));
  corpus.add_item("extent", extent_key(Ino{9}, 3), encode(ExtentValue{BlockNo{70}, 2, 0}));
  corpus.add_item("checksum", checksum_key(Ino{9}, 1), std::string(24, 'c'));
  corpus.add_item("xattr", xattr_key(Ino{9}, "user.a", 0), "\1value");
  corpus.add_item("symlink", symlink_key(Ino{9}), "target");
  corpus.add_item("index", index_key(IndexType::data_seq, Seq{5}, Ino{9}), "");
  corpus.add_item("orphan", orphan_key(Ino{9}), "");
}

void add_server_items(const Corpus& corpus) {
  using namespace format;
  corpus.add_item("counters", counters_key(),
                  encode(Counters{Ino{1}, Seq{2}, RecordNo{3}, JobId{4}, Version{5}}));
  corpus.add_item("free", free_key(BlockNo{5}), encode_count(3));
  corpus.add_item("granted", granted_key(Rid{6}, BlockNo{5}), encode_count(3));
  corpus.add_item("replaced", replaced_key(Version{6}, BlockNo{5}), encode_count(3));
  Member member;
  member.who = {Rid{3}, Epoch{4}};
  member.name = "host";
  member.host = {"machine", "boot", 17, 99};
  corpus.add_item("member", member_key(Rid{3}), encode(member));
  corpus.add_item("job", job_key(JobId{4}),
                  encode(JobRecord{Rid{3}, {BlockNo{1}}, {{BlockNo{2}, 3}}}));
  const lsm::Placed placed{{{{BlockNo{5}, 2}, 9}, 3, {{"a", "b"}, {"c", "d"}}}, 0, RecordNo{1}};
  std::string value;
  Writer out(value);
  lsm::encode(out, placed);
  corpus.add_item("segment", segment_key(BlockNo{5}), value);
}

// The first byte tells wire_fuzz what it is.
template <class Message>
void add_member_message(const Corpus& corpus, std::string_view name, Message message) {
  using namespace session;
  constexpr bool kIsRequest = std::is_constructible_v<Request, Message>;
  if constexpr (kIsRequest) {
    corpus.add(name, "m" + encode(MemberMessage{RequestId{1}, Request{std::move(message)}}));
  } else {
    corpus.add(name, "m" + encode(MemberMessage{{}, MemberNotice{std::move(message)}}));
  }
}
template <class Message>
void add_leader_message(const Corpus& corpus, std::string_view name, Message message) {
  using namespace session;
  constexpr bool kIsAnswer = std::is_constructible_v<Answer, Message>;
  if constexpr (kIsAnswer) {
    corpus.add(name, "l" + encode(LeaderMessage{RequestId{1}, Answer{std::move(message)}}));
  } else {
    corpus.add(name, "l" + encode(LeaderMessage{{}, LeaderNotice{std::move(message)}}));
  }
}

void add_voter_messages(const Corpus& corpus) {
  using namespace cluster;
  corpus.add("voter_hello", "v" + encode(PeerHello{.fsid = Fsid{7},
                                                   .format_hash = format::format_hash(),
                                                   .slots_version = 1,
                                                   .from = 2,
                                                   .who = {Rid{3}, Epoch{4}},
                                                   .address = {0x7f000001, 5},
                                                   .to = 1}));
  PeerRequest request{.number = 6, .term = {7, 2}, .slots_version = 1};
  for (const auto kind : {PeerRequest::Kind::poll, PeerRequest::Kind::vote,
                          PeerRequest::Kind::beat, PeerRequest::Kind::resign}) {
    request.kind = kind;
    corpus.add("voter_request_" + std::to_string(static_cast<unsigned>(kind)),
               "v" + encode(request));
  }
  corpus.add("voter_answer",
             "v" + encode(PeerAnswer{.number = 6, .granted = true, .newest = {7, 2}}));
}

void add_messages(const Corpus& corpus) {
  using namespace session;
  const lsm::SegmentInfo segment{{{BlockNo{5}, 2}, 9}, 3, {{"a", "b"}, {"c", "d"}}};
  const lock::LockId group{lock::LockId::Kind::group, 7};
  Greeting greeting;
  greeting.name = "host";
  greeting.host = {"machine", "boot", 17, 99};
  greeting.confirmed_dead = {{Rid{1}, Epoch{2}}};
  corpus.add("greeting", "s" + encode_setup(greeting));
  corpus.add("welcome", "s" + encode_setup(Welcome{}));
  Refusal refusal;
  refusal.why = Refusal::Why::no_slot;
  corpus.add("refusal", "s" + encode_setup(refusal));
  Declare declare;
  declare.locks = {{group, lock::Mode::write, GrantId{1}}};
  declare.open_seqs = {Seq{3}};
  declare.open_inodes = {Ino{4}};
  add_member_message(corpus, "declare", declare);
  add_member_message(corpus, "lock_request", LockRequest{group, lock::Mode::read});
  Commit commit;
  commit.segments = {segment};
  commit.used = commit.freed = {{BlockNo{3}, 4}};
  add_member_message(corpus, "commit", commit);
  add_member_message(corpus, "list_request", ListRequest{{"a", "b"}});
  add_member_message(corpus, "job_result", JobResult{JobId{2}, true, {segment}});
  add_member_message(corpus, "release", Release{group, GrantId{1}, lock::Mode::read, {Ino{4}}});
  add_member_message(corpus, "unlinked", Unlinked{Ino{4}, GrantId{1}});
  LockGrant grant;
  grant.id = group;
  grant.mode = lock::Mode::write;
  grant.open_elsewhere = {Ino{4}};
  add_leader_message(corpus, "grant", grant);
  add_leader_message(corpus, "space", SpaceAnswer{{{BlockNo{3}, 4}}});
  add_leader_message(corpus, "list", ListAnswer{Version{3}, {{segment, 0, RecordNo{1}}}});
  add_leader_message(corpus, "bound", BoundAnswer{Seq{3}, {"host"}});
  add_leader_message(corpus, "revoke", Revoke{group, GrantId{1}, lock::Mode::read});
  JobOffer offer;
  offer.space = {{BlockNo{3}, 4}};
  add_leader_message(corpus, "job_offer", offer);
  // Two messages, one of them twice, and an acknowledgement.
  std::string frames("c\x02", 2);
  Writer out(frames);
  for (const std::uint64_t number : {1, 1, 2, 0}) {
    out.put(std::uint8_t{17});
    out.put(number);
    out.put(std::uint64_t{3});
    out.put_raw("m");
  }
  corpus.add("frames", frames);
}

// The first byte chooses what is read: fencing_fuzz.cpp.
void add_fencing(const Corpus& corpus) {
  using namespace nbd;
  const Identity identity{.fsid = Fsid{7},
                          .node = "host 1",
                          .who = {Rid{3}, Epoch{4}},
                          .role = Role::mount,
                          .session = 1,
                          .table = 9,
                          .born = 2};
  corpus.add("name", '\0' + encode(identity, std::string(32, 's')));
  corpus.add("offer", '\1' + encode(Offer{.table = 9, .generation = 2, .boot = "a-b"}));
  FenceTable table(9);
  table.reset(Fsid{7});
  const Result<bool> admitted = table.admit(identity);
  SCOUTFS_ASSERT(admitted.has_value());
  table.fence({Rid{5}, Epoch{6}});
  corpus.add("table", '\2' + FenceTable::encode(table).substr(16));
  corpus.add(
      "fence",
      "\3{\"op\":\"fence\",\"term\":{\"number\":3,\"slot\":0},\"rid\":\"5\",\"epoch\":1}");
  corpus.add("state",
             "\3{\"op\":\"state\",\"rid\":\"5\",\"epoch\":1,\"role\":\"mount\",\"table\":\"9\","
             "\"born\":2}");
}

}  // namespace
}  // namespace scoutfs

int main(int count, char** arguments) {
  using namespace scoutfs;
  if (count != 2) {
    std::fputs("usage: fuzz_seeds DIR\n", stderr);
    return 2;
  }
  const std::filesystem::path root = arguments[1];
  add_superblocks({root, "superblock"});
  add_quorum_blocks({root, "quorum"});
  add_journal_records({root, "journal"});
  add_segments({root, "segment"});
  add_items({root, "item"});
  add_server_items({root, "server_item"});
  add_messages({root, "wire"});
  add_voter_messages({root, "wire"});
  add_fencing({root, "fencing"});
  return 0;
}
