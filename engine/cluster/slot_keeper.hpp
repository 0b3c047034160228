// SlotKeeper: this mount's quorum block, and what it sees in the others'.
//
// It chooses a slot and claims it, keeps its block advancing, and writes into it what the
// Elector decides: votes, elections, their ends.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/cluster/quorum_region.hpp"
#include "engine/env/env.hpp"
#include "engine/format/server_items.hpp"
#include "engine/format/volume.hpp"

namespace scoutfs::cluster {

struct SlotOptions {
  std::optional<std::uint16_t> slot;  // asked for by the operator
  Address listen;                     // with the port that was bound
  std::string name;
  HostId host;
  Rid rid;
  TimeNs heartbeat_ns = 0;
  TimeNs silence_ns = 0;
};

class SlotKeeper {
 public:
  SlotKeeper(Env env, const format::Superblock& superblock, SlotOptions options);

  // Which slot this mount should have: the configured one of its address, the one it had
  // before, or kNoSlot (the leader gives one; the very first mount takes slot 0). Errors:
  // invalid (no such slot), busy (a live mount has it), interrupted, those of the device. `why`
  // then says it in words.
  Task<Result<std::uint16_t>> choose(Cancellation* cancellation, std::string& why);
  // Writes our block into `slot`. Requires: its last holder is gone. Errors: busy (somebody
  // else wrote it meanwhile), those of the device.
  Task<Result<void>> claim(std::uint16_t slot);
  bool claimed() const { return block_.has_value(); }
  std::uint16_t slot() const { return block_.has_value() ? block_->slot : kNone; }
  Epoch epoch() const { return epoch_; }

  // Reads all blocks from the device, and notes which have changed. Errors: those of the
  // device.
  Task<Result<QuorumRegion::Blocks>> observe();
  // As observe() last found them; empty before it first did.
  const QuorumRegion::Blocks& seen() const { return seen_; }
  // True if the block has been watched for `duration_ns` and has not changed in that time.
  bool quiet(std::uint16_t slot, TimeNs duration_ns) const;

  // Each is durable in our block when it returns. Errors: fenced (the slot is not ours), those
  // of the device; then it becomes durable with the next write that succeeds.
  Task<Result<void>> vote(Term term);
  Task<Result<void>> elect(Term term);
  // The server of the newest election has ended, and all of its writes are answered.
  Task<Result<void>> stop_leading();
  // Our block as it is in memory. Requires: claimed.
  const format::QuorumBlock& block() const { return *block_; }

  // Keeps the block advancing. `on_lost` is called if another incarnation writes it, or the
  // disk is out of reach for good.
  void start_beating(std::function<void(std::string)> on_lost);
  // Leaves the slot cleanly and ends the beat.
  Task<Result<void>> leave();
  Task<void> stop();

 private:
  static constexpr std::uint16_t kNone = format::kNoSlot;
  struct Observed {
    std::uint64_t write_number = 0;
    TimeNs changed_ns = 0;  // when we last saw it change; 0: never
    TimeNs since_ns = 0;    // when we last saw another version of it, or first looked
    bool seen = false;
  };

  bool alive(const format::QuorumBlock& block) const;
  // Waits until a block has advanced (true), or has not for the silence time (false).
  Task<Result<bool>> watch_block(std::uint16_t slot, Cancellation* cancellation);
  Task<Result<bool>> gone(format::QuorumBlock holder, Cancellation* cancellation);
  std::optional<std::uint16_t> configured_slot() const;
  Task<Result<void>> write_block();
  Task<void> beat();

  Env env_;
  QuorumRegion region_;
  std::vector<format::SlotConfig> config_;
  std::uint64_t slots_version_;
  SlotOptions options_;
  std::array<Observed, format::kSlotsMax> observed_{};
  QuorumRegion::Blocks seen_;
  TimeNs next_warning_ns_ = 0;  // the operator is not told again before
  std::optional<format::QuorumBlock> block_;
  Epoch epoch_{1};
  Mutex writing_;  // our block is written one write at a time
  bool stopping_ = false;
  std::function<void(std::string)> on_lost_;
  Cancellation cancellation_;
  TaskScope scope_;
};

}  // namespace scoutfs::cluster
