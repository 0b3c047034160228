// SlotKeeper: this mount's quorum block, and what it sees in the others'.
//
// The static policy of leadership, until elections exist (DESIGN 8): the mount with the lowest
// slot whose block advances leads; the others wait for it, also while it is away. A mount takes
// the lead only when nobody has it: no block shows an election without its stop, or the
// incarnation that wrote it is known to be dead and drained.
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

  // What the blocks say now. Errors: those of the device.
  struct View {
    std::optional<format::QuorumBlock>
        leader;                 // has won and not stopped; maybe this mount itself
    bool leader_alive = false;  // its block advances
    bool may_lead =
        false;             // nobody leads, and no lower slot is alive as far as we have watched
    bool anybody = false;  // some block is in use
  };
  Task<Result<View>> look();

  // Makes this mount the leader of a new term, unless somebody else leads or runs as well.
  // nullopt: not this time. Errors: those of the device.
  Task<Result<std::optional<Term>>> elect();
  // The server of `term` has ended and all of its writes are answered.
  Task<Result<void>> stop_leading();

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
    TimeNs changed_ns = 0;  // when we last saw it change
    bool seen = false;
  };

  Task<Result<QuorumRegion::Blocks>> observe();
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
  TimeNs first_look_ns_ = 0;
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
