// Mount: one node of the cluster, whole: quorum slot, server when it leads, store and
// filesystem.
//
// The two worlds (sim/ and node/) differ only in the Env they give it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/env/env.hpp"
#include "engine/format/volume.hpp"
#include "engine/fs/filesystem.hpp"
#include "engine/lsm/compaction.hpp"

namespace scoutfs {

// What mkfs decides.
struct FormatOptions {
  std::string cluster = "scoutfs";
  std::vector<format::SlotConfig> slots;  // empty: slots are given out as hosts join
  bool force = false;                     // overwrite a volume that is there
  std::uint32_t root_mode = 0755;
  std::uint64_t journal_blocks = 0;      // 0: chosen by the size of the device
  std::uint64_t server_area_blocks = 0;  // 0: chosen by the size of the device
};
// Errors: no_space (the device is too small), exists (a volume is there and !force), invalid
// (cluster name, slots), those of the device.
Task<Result<format::Superblock>> format_volume(Env env, FormatOptions options);

// What the operations of a mount do once it is fenced: wait until they are interrupted or the
// mount ends, fail with EIO, or have the process end.
enum class OnFence : std::uint8_t { freeze, eio, exit };

struct MountOptions {
  std::string cluster = "scoutfs";
  Address listen{0x7f000001, 0};      // port 0: the configured one, or any free one
  std::optional<std::uint16_t> slot;  // take this slot
  std::optional<Rid> rid;             // under which the device was opened; else one is drawn
  std::string name = "node";          // of this host, for messages
  HostId host;
  fs::Options fs;

  TimeNs commit_interval_ns = kSecond;            // a transaction is committed at this age
  std::uint64_t commit_bytes_max = 8u << 20;      // ... or at this size of dirty items
  std::uint64_t dirty_bytes_max = 64u << 20;      // operations wait above this much unrecorded
  std::uint64_t item_cache_bytes = 64u << 20;     // clean items
  std::uint64_t segment_cache_bytes = 64u << 20;  // segment blocks
  std::size_t locks_max = 10'000;                 // idle locks are given up above this many
  std::uint64_t grant_blocks = 16'384;            // space asked for at once (64 MiB)
  std::uint64_t segment_size_max = lsm::kSegmentSizeMax;
  lsm::CompactionOptions compaction;         // used when this node leads
  TimeNs heartbeat_ns = 200 * kMillisecond;  // quorum block and session
  TimeNs silence_ns = 2 * kSecond;           // a peer this long silent counts as lost
  // When this node leads: how long a member may answer without hearing from it (at most
  // kLeaseMax); and how long a lost member may be in the way until it is fenced: of who waits
  // for its locks; of the index, freed space or compaction; of a new leader's start.
  TimeNs lease_ns = 1'500 * kMillisecond;
  TimeNs fence_after_ns = kSecond;
  TimeNs fence_idle_after_ns = 30 * kSecond;
  TimeNs recovery_grace_ns = 5 * kSecond;
  // From an operation's end until whoever asked has the answer; the lease is checked so much
  // earlier. For callers that look again when they answer.
  TimeNs answer_time_ns = 0;
  OnFence on_fence = OnFence::eio;  // freeze and eio; exit is the caller's, see set_on_failed()
};

// What an operator wants to see at a glance.
struct MountStatus {
  Rid rid;
  std::uint16_t slot = 0;
  bool leader = false;
  bool connected = false;
  std::optional<std::uint16_t> leader_slot;
  Rid leader_rid;  // of its mount; 0: not known
  // Of its mount, if it runs on this host; 0: not known.
  std::uint64_t leader_process = 0;
  std::vector<std::uint16_t> voters;  // slots that elect a leader now
  std::string leader_address;
  Term term;
  Seq open_seq, last_recorded_seq;
  std::uint64_t dirty_bytes = 0, unrecorded_transactions = 0;
  std::uint64_t locks = 0;
  std::string waits_for;  // empty: nothing; otherwise what, in words
  FenceLevel fence_level = FenceLevel::none;
  bool lease_valid = false;  // operations are answered
  bool fenced = false;       // this incarnation was declared dead; it is over
  // Known only where the leader is.
  struct Member {
    Rid rid;
    std::uint16_t slot = 0;
    std::string name, address;
    bool connected = false;
    bool lost = false;
    Seq oldest_open_seq;
    std::string standing;          // of a lost one: what becomes of it
    std::uint64_t waited_for = 0;  // locks of it that others wait for
  };
  std::vector<Member> members;
  std::uint64_t segments = 0, level0_segments = 0, compaction_debt_blocks = 0;
  std::uint64_t free_blocks = 0, reserved_blocks = 0, replaced_blocks = 0;
};

class Mount {
 public:
  Mount(Env env, MountOptions options);
  ~Mount();

  // Reads the superblock, takes a slot, finds or becomes the leader, joins. Returns when the
  // filesystem can be used; waits for a leader as long as it takes (waits_for in the status).
  // Errors: corrupt, unsupported, wrong_volume (cluster name), busy (the slot is in use),
  // invalid (listen address, slot), no_space (device shrunk), interrupted, those of the device.
  // The text for the operator is in failure().
  Task<Result<void>> start(Cancellation* cancellation);
  const std::string& failure() const;

  fs::FileSystem& fs();
  client::Store& store();
  const format::Superblock& superblock() const;
  MountStatus status() const;
  // Parts of status() that cost nothing to ask for.
  bool leads() const;
  bool full() const;  // it leads, and the volume has no space for data
  // Zero before a slot was claimed.
  Incarnation who() const;

  // The kernel's caches, to be dropped before a lock is. Set before start(); may stay unset.
  void set_revoke_listener(client::RevokeListener* listener);
  // For the listener, while it drops what a lock covers: lets page readers in that wait for it.
  // Returns how many.
  std::size_t admit_page_readers(lock::LockId id);
  // Called when the node can go on no longer (fenced, device lost): the mount answers errors.
  // status().fenced tells which; it can only be unmounted, and the volume mounted anew.
  void set_on_failed(std::function<void(std::string why)> callback);

  // Commits everything, gives everything back, leaves the slot. Errors: those of sync(); the
  // mount is over in any case, and what could not be given back stays reserved.
  Task<Result<void>> unmount();

  void check_invariants() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace scoutfs
