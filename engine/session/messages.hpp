// What members and the leader say to each other. docs/protocol.md tells the story.
//
// A connection begins with a Greeting and its Welcome or Refusal, in plain frames. Everything
// else is a message of a session (channel.hpp): delivered in order, exactly once, across
// connections that break, as long as both ends live.
//
// A request carries a RequestId and gets the Answer of the same id. Notices have none.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "engine/format/upper_formats.hpp"
#include "engine/session/archive.hpp"

namespace scoutfs::session {

static_assert(format::kWireFormat == "wire 3\n");

// ---- Connection set-up ----

struct Greeting {
  Fsid fsid;
  std::uint64_t format_hash = 0;
  Incarnation who;
  Term term;                   // of the session to go on with; 0: a new one
  std::uint64_t received = 0;  // messages of that session received so far
  std::uint16_t slot = 0;      // the slot it holds or wants; kNoSlot: give me one
  Address address;             // where it listens
  std::string name;
  HostId host;
  // Incarnations that the sender knows to be dead and drained (its own host's).
  std::vector<Incarnation> confirmed_dead;
};
struct Welcome {
  std::uint64_t format_hash = 0;
  Term term;
  std::uint64_t received = 0;
  bool resumed = false;  // the session goes on; otherwise the member declares itself anew
  std::uint16_t slot = 0;
};
struct Refusal {
  enum class Why : std::uint8_t {
    wrong_volume = 1,   // another fsid
    wrong_format = 2,   // another format hash
    not_leader = 3,     // this node does not lead (now)
    dead = 4,           // the incarnation was declared dead
    slot_in_use = 5,    // by `holder`, which is alive
    slot_reserved = 6,  // by `holder`, which is gone but not known to be dead
    no_slot = 7,        // all slots are taken
  };
  Why why{};
  std::uint64_t format_hash = 0;
  Incarnation holder;
  HostId host;       // of the holder
  std::string name;  // of the holder
};

template <class A>
void fields(A& a, Greeting& m) {
  a(m.fsid, m.format_hash, m.who, m.term, m.received, m.slot, m.address, m.name, m.host,
    m.confirmed_dead);
}
template <class A>
void fields(A& a, Welcome& m) {
  a(m.format_hash, m.term, m.received, m.resumed, m.slot);
}
template <class A>
void fields(A& a, Refusal& m) {
  a(m.why, m.format_hash, m.holder, m.host, m.name);
}

// ---- Requests of members ----

// First message of a session that was not resumed: what the member holds (rule 8).
struct HeldLock {
  lock::LockId id;
  lock::Mode mode{};
  GrantId grant;
};
struct Declare {
  std::vector<HeldLock> locks;   // with the mode before any release in progress
  std::vector<Seq> open_seqs;    // open, frozen and pre-granted
  TxnNo next_txn;                // the oldest that is not known to be recorded
  Version oldest_list;           // the oldest list in use
  std::vector<Ino> open_inodes;  // open files under locks it does not hold
};
// Answer: DeclareAnswer.
struct DeclareAnswer {
  TxnNo recorded;  // its newest recorded transaction
  Version recorded_at;
  std::vector<Extent> granted;  // all space granted to it and not absorbed
  Version version;
};

struct LockRequest {
  lock::LockId id;
  lock::Mode mode{};
};
struct LockGrant {
  lock::LockId id;
  lock::Mode mode{};
  GrantId grant;
  std::vector<Ino>
      open_elsewhere;  // of a write grant: inodes of the group other nodes have open
};

// One transaction. The same journal entry records its segments and absorbs its space.
struct Commit {
  TxnNo txn;
  Seq seq;
  std::vector<lsm::SegmentInfo> segments;  // level 0, disjoint by key
  std::vector<Extent> used;                // granted space that files now refer to
  std::vector<Extent> freed;               // space that files no longer refer to
  bool wants_seq = false;                  // grant the next seq with the answer
};
struct CommitAnswer {
  Version version;                // of the manifest with the transaction in it
  std::vector<RecordNo> records;  // of the segments
  Seq next_seq;                   // 0 if not wanted
};

struct SpaceRequest {
  enum class Purpose : std::uint8_t { data = 1, segments = 2 };
  Purpose purpose{};
  std::uint64_t blocks = 0;      // wanted
  std::uint64_t contiguous = 1;  // no extent shorter than this
};
struct SpaceAnswer {
  std::vector<Extent> extents;  // empty: there is none
};
struct SpaceReturn {
  std::vector<Extent> extents;
};

struct SeqRequest {
  Seq above;  // the seq must exceed this
};
struct SeqAnswer {
  Seq seq;
};

struct InoRequest {
  std::uint64_t count = 0;
};
struct InoAnswer {
  Ino first;
  std::uint64_t count = 0;
};

struct ListRequest {
  KeyRange range;
};
struct ListAnswer {
  Version version;
  std::vector<lsm::Placed> segments;  // in search order
};

struct BoundRequest {
  bool wait = false;
};
struct BoundAnswer {
  Seq last;
  std::vector<std::string> not_answered;
};

struct SpaceInfoRequest {};
struct SpaceInfoAnswer {
  std::uint64_t total_blocks = 0, free_blocks = 0;
  Ino next_ino;
};

// The result of a compaction. Not done: nothing was changed, the outputs are unused.
struct JobResult {
  JobId job;
  bool done = false;
  std::vector<lsm::SegmentInfo> outputs;
};

// May be asked again and again; counted from when the member sent it.
struct LeaseRequest {};
struct LeaseAnswer {
  // For so long, on any clock within the drift bound, nothing the member holds is given away,
  // whatever becomes of it. 0: the leader is not sure of itself now; ask again.
  TimeNs duration_ns = 0;
};

struct Farewell {};
struct Empty {};  // the answer of SpaceReturn, JobResult and Farewell

// ---- Notices ----

// Leader to member.
struct Revoke {
  lock::LockId id;
  GrantId grant;
  lock::Mode keep{};  // the mode that may stay
};
struct CommitWanted {
  Seq up_to;  // commit or give back open seqs up to this one
};
struct JobOffer {
  lsm::Job job;
  std::vector<Extent> space;  // for the outputs
};
struct Heartbeat {
  Version drop_below;  // 0: none. Drop lists older than this and say what is still in use
  bool return_space = false;  // the device is filling up: give back what is not needed
};
// Nobody else has this unlinked inode open any more: delete it. Goes to who closed it last,
// with grant 0; or answers the Unlinked that named the grant.
struct LastClosed {
  Ino ino;
  GrantId grant;
};

// Member to leader.
struct Release {
  lock::LockId id;
  GrantId grant;
  lock::Mode keep{};
  std::vector<Ino> open_inodes;  // that stay open under the given-up lock
};
struct CloseInode {
  Ino ino;
};
// The inode has no links, and other nodes have it open, as the sender's write grant told.
// Answered by one LastClosed, to whoever closes it last.
struct Unlinked {
  Ino ino;
  GrantId grant;
};
struct DropSeq {
  Seq seq;
};
struct HeartbeatAnswer {
  Version oldest_list;
};

#define SCOUTFS_FIELDS(Type, ...) \
  template <class A>              \
  void fields(A& a, Type& m) {    \
    SCOUTFS_MAYBE(sizeof(m) > 0); \
    a(__VA_ARGS__);               \
  }
SCOUTFS_FIELDS(HeldLock, m.id, m.mode, m.grant)
SCOUTFS_FIELDS(Declare, m.locks, m.open_seqs, m.next_txn, m.oldest_list, m.open_inodes)
SCOUTFS_FIELDS(DeclareAnswer, m.recorded, m.recorded_at, m.granted, m.version)
SCOUTFS_FIELDS(LockRequest, m.id, m.mode)
SCOUTFS_FIELDS(LockGrant, m.id, m.mode, m.grant, m.open_elsewhere)
SCOUTFS_FIELDS(Commit, m.txn, m.seq, m.segments, m.used, m.freed, m.wants_seq)
SCOUTFS_FIELDS(CommitAnswer, m.version, m.records, m.next_seq)
SCOUTFS_FIELDS(SpaceRequest, m.purpose, m.blocks, m.contiguous)
SCOUTFS_FIELDS(SpaceAnswer, m.extents)
SCOUTFS_FIELDS(SpaceReturn, m.extents)
SCOUTFS_FIELDS(SeqRequest, m.above)
SCOUTFS_FIELDS(SeqAnswer, m.seq)
SCOUTFS_FIELDS(InoRequest, m.count)
SCOUTFS_FIELDS(InoAnswer, m.first, m.count)
SCOUTFS_FIELDS(ListRequest, m.range)
SCOUTFS_FIELDS(ListAnswer, m.version, m.segments)
SCOUTFS_FIELDS(BoundRequest, m.wait)
SCOUTFS_FIELDS(BoundAnswer, m.last, m.not_answered)
SCOUTFS_FIELDS(SpaceInfoRequest)
SCOUTFS_FIELDS(SpaceInfoAnswer, m.total_blocks, m.free_blocks, m.next_ino)
SCOUTFS_FIELDS(JobResult, m.job, m.done, m.outputs)
SCOUTFS_FIELDS(LeaseRequest)
SCOUTFS_FIELDS(LeaseAnswer, m.duration_ns)
SCOUTFS_FIELDS(Farewell)
SCOUTFS_FIELDS(Empty)
SCOUTFS_FIELDS(Revoke, m.id, m.grant, m.keep)
SCOUTFS_FIELDS(CommitWanted, m.up_to)
SCOUTFS_FIELDS(JobOffer, m.job, m.space)
SCOUTFS_FIELDS(Heartbeat, m.drop_below, m.return_space)
SCOUTFS_FIELDS(LastClosed, m.ino, m.grant)
SCOUTFS_FIELDS(Release, m.id, m.grant, m.keep, m.open_inodes)
SCOUTFS_FIELDS(CloseInode, m.ino)
SCOUTFS_FIELDS(Unlinked, m.ino, m.grant)
SCOUTFS_FIELDS(DropSeq, m.seq)
SCOUTFS_FIELDS(HeartbeatAnswer, m.oldest_list)
#undef SCOUTFS_FIELDS

// ---- Encoding ----

using Request = std::variant<Declare, LockRequest, Commit, SpaceRequest, SpaceReturn,
                             SeqRequest, InoRequest, ListRequest, BoundRequest,
                             SpaceInfoRequest, JobResult, Farewell, LeaseRequest>;
using Answer =
    std::variant<Empty, DeclareAnswer, LockGrant, CommitAnswer, SpaceAnswer, SeqAnswer,
                 InoAnswer, ListAnswer, BoundAnswer, SpaceInfoAnswer, LeaseAnswer>;
using LeaderNotice = std::variant<Revoke, CommitWanted, JobOffer, Heartbeat, LastClosed>;
using MemberNotice = std::variant<Release, CloseInode, DropSeq, HeartbeatAnswer, Unlinked>;

// A message of a session: kind byte, request id (0 in notices), index of the alternative,
// fields.
struct MemberMessage {
  RequestId id;  // 0: a notice
  std::variant<Request, MemberNotice> body;
};
struct LeaderMessage {
  RequestId id;  // 0: a notice
  std::variant<Answer, LeaderNotice> body;
};
std::string encode(const MemberMessage& message);
std::string encode(const LeaderMessage& message);
// Errors: corrupt.
Result<MemberMessage> decode_member_message(std::string_view bytes);
Result<LeaderMessage> decode_leader_message(std::string_view bytes);

// The frames of connection set-up.
using Setup = std::variant<Greeting, Welcome, Refusal>;
std::string encode_setup(const Setup& setup);
Result<Setup> decode_setup(std::string_view bytes);

}  // namespace scoutfs::session
