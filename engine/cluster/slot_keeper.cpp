#include "engine/cluster/slot_keeper.hpp"

#include <algorithm>

namespace scoutfs::cluster {

using format::QuorumBlock;

namespace {
constexpr TimeNs kWarningInterval = 5 * kSecond;
}

SlotKeeper::SlotKeeper(Env env, const format::Superblock& superblock, SlotOptions options)
    : env_(env),
      region_(env.device, superblock.fsid),
      config_(superblock.slots),
      slots_version_(superblock.slots_version),
      options_(std::move(options)),
      writing_(env.scheduler),
      cancellation_(env.scheduler),
      scope_(env.scheduler) {}

// ---- Looking ----

Task<Result<QuorumRegion::Blocks>> SlotKeeper::observe() {
  Result<QuorumRegion::Blocks> blocks = co_await region_.read_all();
  if (!blocks.has_value()) co_return blocks;
  const TimeNs now_ns = env_.clock.now_ns();
  for (const auto& block : *blocks) {
    if (!block.has_value()) continue;
    Observed& observed = observed_[block->slot];
    if (observed.seen && observed.write_number != block->write_number) {
      observed.changed_ns = std::max<TimeNs>(now_ns, 1);
      observed.since_ns = now_ns;
    }
    if (!observed.seen) observed.since_ns = now_ns;
    observed.seen = true;
    observed.write_number = block->write_number;
  }
  seen_ = *blocks;
  co_return blocks;
}

bool SlotKeeper::quiet(std::uint16_t slot, TimeNs duration_ns) const {
  const Observed& observed = observed_.at(slot);
  return observed.seen && env_.clock.now_ns() >= observed.since_ns + duration_ns;
}

bool SlotKeeper::alive(const QuorumBlock& block) const {
  if (block.ended) return false;
  if (block_.has_value() && block.who == block_->who) return true;
  const Observed& observed = observed_[block.slot];
  return observed.changed_ns != 0 &&
         env_.clock.now_ns() <= observed.changed_ns + options_.silence_ns;
}

Task<Result<bool>> SlotKeeper::watch_block(std::uint16_t slot, Cancellation* cancellation) {
  const TimeNs until_ns = env_.clock.now_ns() + options_.silence_ns;
  while (true) {
    SCOUTFS_CO_TRY(const QuorumRegion::Blocks blocks, co_await observe());
    if (!blocks[slot].has_value() || blocks[slot]->ended) co_return false;
    if (alive(*blocks[slot])) co_return true;
    if (env_.clock.now_ns() > until_ns) co_return false;
    co_await Sleep(env_.scheduler, options_.heartbeat_ns, cancellation);
    if (cancellation != nullptr && cancellation->requested()) co_return fail(Errc::interrupted);
  }
}

Task<Result<bool>> SlotKeeper::gone(QuorumBlock holder, Cancellation* cancellation) {
  if (holder.ended || !holder.who.rid) co_return true;
  const Result<bool> dead = co_await env_.fencing.confirm_dead(holder.who, holder.host);
  if (dead.has_value() && *dead) co_return true;
  SCOUTFS_CO_TRY(const bool advances, co_await watch_block(holder.slot, cancellation));
  if (advances) co_return fail(Errc::busy);
  co_return false;
}

// ---- Our slot ----

std::optional<std::uint16_t> SlotKeeper::configured_slot() const {
  std::optional<std::uint16_t> by_ip;
  for (const format::SlotConfig& slot : config_) {
    if (slot.address == options_.listen) return slot.slot;
    if (slot.address.ip == options_.listen.ip && !by_ip.has_value()) by_ip = slot.slot;
  }
  // Only the port differs: it is this slot if there is no other with the address.
  const auto same_ip = std::count_if(config_.begin(), config_.end(), [this](const auto& slot) {
    return slot.address.ip == options_.listen.ip;
  });
  return same_ip == 1 ? by_ip : std::nullopt;
}

Task<Result<std::uint16_t>> SlotKeeper::choose(Cancellation* cancellation, std::string& why) {
  SCOUTFS_CO_TRY(const QuorumRegion::Blocks blocks, co_await observe());
  std::optional<std::uint16_t> wanted = options_.slot;
  if (!config_.empty()) {
    if (!wanted.has_value()) wanted = configured_slot();
    const bool known = wanted.has_value() &&
                       std::any_of(config_.begin(), config_.end(),
                                   [&](const auto& slot) { return slot.slot == *wanted; });
    if (options_.slot.has_value() && !known) {
      why = fmt::format("slot {} is not configured on this volume", *wanted);
      co_return fail(Errc::invalid);
    }
    if (!wanted.has_value()) co_return format::kNoSlot;  // a client only
  } else if (wanted.has_value() && *wanted >= format::kSlotsMax) {
    why = fmt::format("slots are numbered 0 to {}", format::kSlotsMax - 1);
    co_return fail(Errc::invalid);
  }
  if (!wanted.has_value()) {
    // The slot this host had before, if its incarnation is over.
    for (const auto& block : blocks) {
      if (!block.has_value() || block->host.machine != options_.host.machine) continue;
      if (block->address.ip != options_.listen.ip) continue;
      const QuorumBlock holder = *block;
      bool over = holder.ended;
      if (!over) {
        const Result<bool> dead = co_await env_.fencing.confirm_dead(holder.who, holder.host);
        over = dead.has_value() && *dead;
      }
      if (over) co_return holder.slot;
    }
    co_return format::kNoSlot;
  }
  if (blocks[*wanted].has_value()) {
    const QuorumBlock holder = *blocks[*wanted];
    const Result<bool> over = co_await gone(holder, cancellation);
    if (failed_with(over, Errc::busy)) {
      why = fmt::format("slot {} is in use by {} at {}", *wanted, holder.name,
                        to_string(holder.address));
    }
    if (!over.has_value()) co_return std::unexpected(over.error());
    if (!*over) {
      why =
          fmt::format("slot {} was held by {} at {}, which is silent but not known to be dead",
                      *wanted, holder.name, to_string(holder.address));
      co_return fail(Errc::busy);
    }
  }
  co_return *wanted;
}

Task<Result<void>> SlotKeeper::write_block() {
  Mutex::Guard one_at_a_time = co_await writing_.lock();
  ++block_->write_number;
  const QuorumBlock copy = *block_;
  co_return co_await region_.write(copy);
}

Task<Result<void>> SlotKeeper::claim(std::uint16_t slot) {
  SCOUTFS_CO_TRY(const QuorumRegion::Blocks blocks, co_await observe());
  QuorumBlock block;
  if (blocks[slot].has_value()) {
    const QuorumBlock& old = *blocks[slot];
    block.write_number = old.write_number;
    block.voted = old.voted;
    block.voted_for = old.voted_for;
    block.elect = old.elect;
    block.leader = old.leader;
    block.stop = old.elect;
    // Its leadership, if it had one, is over: its process is. A storage that fences
    // incarnations apart may have fenced the mount and not its server; whoever leads next makes
    // sure of that.
    if (env_.fencing.fences_apart()) block.stop = old.stop;
    epoch_ = old.who.epoch.next();
  }
  block.slot = slot;
  block.who = {.rid = options_.rid, .epoch = epoch_};
  block.address = options_.listen;
  block.slots_version = slots_version_;
  block.host = options_.host;
  block.name = options_.name;
  block_ = block;
  SCOUTFS_CO_CHECK(co_await write_block());
  // Somebody may have had the same idea: the last writer has the slot.
  co_await Sleep(env_.scheduler, 2 * options_.heartbeat_ns);
  SCOUTFS_CO_TRY(const QuorumRegion::Blocks again, co_await observe());
  if (!again[slot].has_value() || again[slot]->who != block_->who) {
    block_.reset();
    co_return fail(Errc::busy);
  }
  co_return Result<void>{};
}

// ---- What the Elector decides ----

Task<Result<void>> SlotKeeper::vote(Term term) {
  if (!block_.has_value()) co_return fail(Errc::fenced);
  SCOUTFS_ASSERT(block_->voted.number < term.number || block_->voted == term);
  block_->voted = term;
  block_->voted_for = term.slot;
  co_return co_await write_block();
}

Task<Result<void>> SlotKeeper::elect(Term term) {
  if (!block_.has_value()) co_return fail(Errc::fenced);
  SCOUTFS_ASSERT(block_->elect < term);
  block_->elect = term;
  block_->leader = format::leader_incarnation(block_->who, term).rid;
  co_return co_await write_block();
}

Task<Result<void>> SlotKeeper::stop_leading() {
  if (!block_.has_value()) co_return Result<void>{};
  block_->stop = block_->elect;
  co_return co_await write_block();
}

// ---- Beating ----

void SlotKeeper::start_beating(std::function<void(std::string)> on_lost) {
  on_lost_ = std::move(on_lost);
  scope_.spawn(beat());
}

Task<void> SlotKeeper::beat() {
  while (!stopping_) {
    co_await Sleep(env_.scheduler, options_.heartbeat_ns, &cancellation_);
    if (stopping_ || !block_.has_value()) continue;
    const Result<QuorumRegion::Blocks> blocks = co_await observe();
    if (blocks.has_value() && block_.has_value()) {
      const auto& ours = (*blocks)[block_->slot];
      if (ours.has_value() && ours->who != block_->who) {
        const std::string why = fmt::format("slot {} was taken by {} at {}", block_->slot,
                                            ours->name, to_string(ours->address));
        block_.reset();  // it is theirs to write
        on_lost_(why);
        co_return;
      }
    }
    if (stopping_ || !block_.has_value()) continue;
    const Result<void> written = co_await write_block();
    // Anything but an error of the disk is for good.
    if (!written.has_value() && written.error().code != Errc::io_error) {
      on_lost_(failed_with(written, Errc::fenced) ? "this mount was fenced"
                                                  : "the connection to the disk is lost");
      co_return;
    }
    if (!written.has_value() && env_.clock.now_ns() >= next_warning_ns_) {
      env_.log.warn("the quorum block cannot be written: {}", to_string(written.error().code));
      next_warning_ns_ = env_.clock.now_ns() + kWarningInterval;
    }
  }
}

Task<Result<void>> SlotKeeper::leave() {
  if (!block_.has_value()) co_return Result<void>{};
  block_->ended = true;
  co_return co_await write_block();
}

Task<void> SlotKeeper::stop() {
  stopping_ = true;
  cancellation_.request();
  co_await scope_.drain();
}

}  // namespace scoutfs::cluster
