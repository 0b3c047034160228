// Standing for leader, and taking over. What the voters are told is in elector_peers.cpp.
#include "engine/cluster/elector.hpp"

#include <algorithm>

#include "engine/env/drift.hpp"

namespace scoutfs::cluster {

using format::QuorumBlock;

namespace {

// True if a newer term than `term` was won, or somebody voted for one.
bool overtaken(const QuorumRegion::Blocks& blocks, Term term) {
  return std::ranges::any_of(blocks, [term](const auto& block) {
    return block.has_value() && (block->elect > term || block->voted.number > term.number);
  });
}

std::string describe(const QuorumBlock& block) {
  return fmt::format("{} (slot {} at {})", block.name, block.slot, to_string(block.address));
}

}  // namespace

Elector::Elector(Env env, const format::Superblock& superblock, SlotKeeper& keeper,
                 Address listen, ElectorOptions options)
    : env_(env),
      fsid_(superblock.fsid),
      config_(superblock.slots),
      slots_version_(superblock.slots_version),
      keeper_(keeper),
      listen_(listen),
      options_(options),
      voting_(env.scheduler),
      changed_(env.scheduler),
      cancellation_(env.scheduler),
      links_(env, options.lease_ns,
             [this](std::uint16_t slot, PeerAnswer answer) { on_answer(slot, answer); }),
      scope_(env.scheduler) {}

void Elector::start() {
  stand_at_ns_ = env_.clock.now_ns() + env_.random.below(options_.heartbeat_ns);
  scope_.spawn(stand_when_due());
  scope_.spawn(beat());
}

Task<void> Elector::stop() {
  stopping_ = true;
  cancellation_.request();
  changed_.wake_all();
  for (const std::shared_ptr<Connection>& connection : incoming_) {
    if (connection != nullptr) connection->close();
  }
  co_await links_.stop();
  co_await scope_.drain();
  // Won, but nobody took it up.
  if (role_ == Role::leading || role_ == Role::winding_up) co_await stand_down();
}

// ---- Who votes ----

std::vector<QuorumBlock> Elector::voters_of(const Blocks& blocks) const {
  std::vector<QuorumBlock> voters;
  for (const auto& block : blocks) {
    if (!block.has_value() || block->ended || is_dead(block->who)) continue;
    const bool configured =
        config_.empty() || std::ranges::any_of(config_, [&block](const auto& slot) {
          return slot.slot == block->slot;
        });
    if (configured && block->slot != own()) voters.push_back(*block);
  }
  if (keeper_.claimed()) voters.push_back(keeper_.block());
  return voters;
}

std::vector<std::uint16_t> Elector::voters() const {
  std::vector<std::uint16_t> slots;
  for (const QuorumBlock& block : voters_of(keeper_.seen())) slots.push_back(block.slot);
  std::ranges::sort(slots);
  return slots;
}

Term Elector::newest_known() const {
  Term newest = std::max(seen_, term_);
  if (leader_.has_value()) newest = std::max(newest, leader_->term);
  if (!keeper_.claimed()) return newest;
  return std::max({newest, keeper_.block().voted, keeper_.block().elect});
}

// ---- Standing ----

void Elector::put_off(TimeNs at_least_ns) {
  stand_at_ns_ = env_.clock.now_ns() + at_least_ns + env_.random.below(options_.lease_ns);
}

Task<void> Elector::stand_when_due() {
  while (!stopping_) {
    const TimeNs now_ns = env_.clock.now_ns();
    const bool may = keeper_.claimed() && role_ == Role::following && !hears_leader();
    if (may && now_ns >= stand_at_ns_) {
      co_await campaign();
      continue;
    }
    TimeNs wake_ns = now_ns + options_.heartbeat_ns;
    if (may) wake_ns = std::min(wake_ns, stand_at_ns_);
    co_await changed_.wait(&cancellation_, wake_ns);
  }
}

bool Elector::may_stand(const Blocks& blocks) {
  waits_for_.clear();
  const bool one_suffices = needed(voters_of(blocks).size()) == 1;
  Term newest;
  for (const auto& block : blocks) {
    if (block.has_value()) newest = std::max(newest, block->elect);
  }
  for (const auto& block : blocks) {
    if (!block.has_value() || block->slot == own() || !block->leads()) continue;
    if (is_dead(block->who)) continue;
    const FenceLevel level = env_.fencing.level();
    const bool can_fence = level == FenceLevel::agent || level == FenceLevel::storage;
    // Where one vote is enough nobody else says that the leader is alive; its block does. Not
    // one that was overtaken: it may never say STOP, and two of them would wait for each other.
    const bool advances = block->elect == newest && !block->inherited() &&
                          !keeper_.quiet(block->slot, options_.lease_ns);
    if (can_fence && !(one_suffices && advances)) continue;
    waits_for_ = describe(*block) + ", which led and is not known to be dead";
    if (!can_fence) scope_.spawn(ask_if_dead(*block));
    return false;
  }
  return true;
}

Task<void> Elector::campaign() {
  // At the latest then, whatever comes of this.
  stand_at_ns_ = env_.clock.now_ns() + options_.heartbeat_ns / 2 +
                 env_.random.below(2 * options_.heartbeat_ns);
  const Result<Blocks> blocks = co_await keeper_.observe();
  const bool may = blocks.has_value() && keeper_.claimed() && role_ == Role::following &&
                   !stopping_ && !hears_leader();
  if (!may || !may_stand(*blocks)) co_return;
  role_ = Role::standing;
  const Term term{std::max(newest_term(*blocks), newest_known()).number + 1, own()};
  const std::vector<QuorumBlock> voters = voters_of(*blocks);
  bool won = needed(voters.size()) == 1;
  bool go_on = won;
  if (!won) go_on = co_await ask(PeerRequest::Kind::poll, term, voters);
  if (go_on && role_ == Role::standing) go_on = co_await vote_for(term);
  won_ns_ = env_.clock.now_ns();
  if (go_on && !won && role_ == Role::standing) {
    won = co_await ask(PeerRequest::Kind::vote, term, voters);
  }
  if (role_ != Role::standing) co_return;  // somebody else leads
  if (go_on && won && !stopping_) {
    co_await take_over(term);
  } else {
    role_ = Role::following;
  }
}

Task<bool> Elector::vote_for(Term term) {
  const Mutex::Guard one_at_a_time = co_await voting_.lock();
  if (!keeper_.claimed() || keeper_.block().voted.number >= term.number) co_return false;
  const Result<void> written = co_await keeper_.vote(term);
  if (written.has_value()) env_.reached(Milestone::voted, term);
  co_return written.has_value();
}

Task<bool> Elector::ask(PeerRequest::Kind kind, Term term, std::vector<QuorumBlock> voters) {
  const PeerRequest request{.kind = kind,
                            .number = next_number_++,
                            .term = term,
                            .slots_version = slots_version_,
                            .serving = false,
                            .successor = format::kNoSlot};
  ballot_ = Ballot{.number = request.number, .yes = {own()}, .no = {}};
  for (const QuorumBlock& voter : voters) {
    if (voter.slot != own()) send(voter, request);
  }
  const std::size_t need = needed(voters.size());
  const TimeNs until_ns = env_.clock.now_ns() + options_.lease_ns / 2;
  while (role_ == Role::standing && !stopping_ && env_.clock.now_ns() < until_ns) {
    if (ballot_->yes.size() >= need || ballot_->no.size() > voters.size() - need) break;
    co_await changed_.wait(&cancellation_, until_ns);
  }
  const bool enough = ballot_->yes.size() >= need;
  ballot_.reset();
  co_return enough;
}

// ---- Taking over ----

Task<void> Elector::take_over(Term term) {
  role_ = Role::taking;
  term_ = term;
  serving_ = false;
  announced_ = false;
  rounds_.clear();
  confirmed_ns_.clear();
  forget_leader();
  beat_once();
  bool ours = false;
  const Result<void> elected = co_await make_elected(term);
  if (elected.has_value()) {
    const Result<bool> fenced = co_await fence_others(term);
    ours = fenced.has_value() && *fenced;
  }
  if (!ours || role_ != Role::taking || stopping_ || !keeper_.claimed()) {
    co_await stand_down();
    co_return;
  }
  env_.reached(Milestone::leaders_fenced, term);
  waits_for_.clear();
  role_ = Role::leading;
  leader_ = Leader{.term = term,
                   .slot = own(),
                   .who = keeper_.block().who,
                   .address = listen_,
                   .serving = false};
  changed_.wake_all();
}

Task<Result<void>> Elector::make_elected(Term term) {
  const QuorumBlock before = keeper_.block();
  const Incarnation self = format::leader_incarnation(before.who, term);
  SCOUTFS_CO_CHECK(co_await env_.fencing.register_term(term, self));
  if (before.leads()) {
    // The last holder of this slot led, or we did and its end is in doubt. Our ELECT takes the
    // place of that one, so it comes first.
    SCOUTFS_CO_TRY(const bool fenced, co_await fence_one(term, before));
    if (!fenced) co_return fail(Errc::busy);
  }
  if (role_ != Role::taking || !keeper_.claimed()) co_return fail(Errc::stale);
  // Durable before anything is read: whoever stands later sees it, or we see them (rule 3).
  SCOUTFS_CO_CHECK(co_await keeper_.elect(term));
  env_.reached(Milestone::elected, term);
  co_return Result<void>{};
}

Task<Result<bool>> Elector::fence_others(Term term) {
  SCOUTFS_CO_TRY(const Blocks blocks, co_await keeper_.observe());
  if (overtaken(blocks, term)) co_return false;
  for (const auto& block : blocks) {
    if (!block.has_value() || block->slot == own() || !block->leads()) continue;
    SCOUTFS_CO_TRY(const bool over, co_await fence_one(term, *block));
    if (!over) {
      waits_for_ = describe(*block) + ", which led and cannot be fenced";
      env_.log.warn("not leading: waiting for {}", waits_for_);
      co_return false;
    }
  }
  co_return true;
}

Task<Result<bool>> Elector::fence_one(Term term, QuorumBlock other) {
  Result<bool> over = false;
  switch (env_.fencing.level()) {
    case FenceLevel::storage:
      // Only its server: the mount may go on as a member.
      over = co_await env_.fencing.fence(term, other.server(), other.host);
      break;
    case FenceLevel::agent:
    case FenceLevel::host:
    case FenceLevel::none:
      if (is_dead(other.who)) co_return true;
      over = co_await env_.fencing.fence(term, other.who, other.host);
      if (over.has_value() && *over) dead_.insert(other.who);
      break;
  }
  if (!over.has_value() || *over) co_return over;
  // It may have stood at the same time, and be stopping just now.
  const TimeNs until_ns = env_.clock.now_ns() + 2 * options_.heartbeat_ns;
  while (role_ == Role::taking && !stopping_ && env_.clock.now_ns() < until_ns) {
    co_await Sleep(env_.scheduler, options_.heartbeat_ns / 4, &cancellation_);
    SCOUTFS_CO_TRY(const Blocks blocks, co_await keeper_.observe());
    const auto& now = blocks[other.slot];
    if (now.has_value() && now->who == other.who && now->stop >= other.elect) co_return true;
  }
  co_return false;
}

Task<Result<void>> Elector::write_stop() {
  // Another ELECT is of an earlier holder of the slot, or of a server whose end is in doubt.
  if (!keeper_.claimed() || !keeper_.block().leads() || keeper_.block().elect != term_) {
    co_return Result<void>{};
  }
  SCOUTFS_CO_CHECK(co_await keeper_.stop_leading());
  env_.reached(Milestone::stopped, term_);
  co_return Result<void>{};
}

Task<void> Elector::stand_down() {
  role_ = Role::winding_up;
  // No server ran under this term.
  const Result<void> written = co_await write_stop();
  if (!written.has_value()) {
    env_.log.warn("STOP cannot be written: {}", to_string(written.error().code));
  }
  role_ = Role::following;
  put_off(options_.heartbeat_ns);
  changed_.wake_all();
}

// ---- Leading, as the mount sees it ----

Task<std::optional<Term>> Elector::win(Cancellation* cancellation) {
  while (role_ != Role::leading || announced_) {
    const Wake wake = co_await changed_.wait(cancellation);
    if (wake == Wake::cancelled) co_return std::nullopt;
  }
  announced_ = true;
  co_return term_;
}

Task<Result<void>> Elector::confirm(Term term) {
  SCOUTFS_CO_TRY(const Blocks blocks, co_await keeper_.observe());
  const bool newer = std::ranges::any_of(
      blocks, [term](const auto& block) { return block.has_value() && block->elect > term; });
  if (newer) co_return fail(Errc::fenced);
  co_return Result<void>{};
}

void Elector::set_serving() {
  if (role_ != Role::leading) return;
  serving_ = true;
  leader_->serving = true;
  beat_once();
  changed_.wake_all();
}

void Elector::give_up(std::string_view why) {
  if (role_ == Role::leading) depose(why);
}

void Elector::depose(std::string_view why) {
  SCOUTFS_ASSERT(role_ == Role::taking || role_ == Role::leading);
  env_.log.warn("no longer leading term {}: {}", term_.number, why);
  // Whoever waits in win() has not heard of it, and will not: nobody else says that it stopped.
  const bool unheard = role_ == Role::leading && !announced_;
  role_ = Role::winding_up;
  if (leader_.has_value() && leader_->term == term_) forget_leader();
  if (unheard) scope_.spawn(stand_down());
  changed_.wake_all();
}

Task<Result<void>> Elector::stopped(Ending ending, TimeNs hold_off_ns) {
  SCOUTFS_ASSERT(role_ == Role::winding_up);
  Result<void> written;
  if (ending != Ending::in_doubt) written = co_await write_stop();
  if (written.has_value() && ending == Ending::resigned) co_await resign();
  role_ = Role::following;
  stand_at_ns_ = env_.clock.now_ns() + hold_off_ns + env_.random.below(options_.lease_ns);
  changed_.wake_all();
  co_return written;
}

Task<void> Elector::resign() {
  PeerRequest request{.kind = PeerRequest::Kind::resign,
                      .number = next_number_++,
                      .term = term_,
                      .slots_version = slots_version_,
                      .serving = false,
                      .successor = format::kNoSlot};
  TimeNs newest_ns = 0;
  for (const auto& [slot, sent_ns] : confirmed_ns_) {
    if (sent_ns <= newest_ns) continue;
    newest_ns = sent_ns;
    request.successor = slot;
  }
  ballot_ = Ballot{.number = request.number, .yes = {}, .no = {}};
  for (const QuorumBlock& voter : voters_of(keeper_.seen())) {
    if (voter.slot != own()) send(voter, request);
  }
  // Until the successor has it; a message may be lost with the connection of who leaves.
  const TimeNs until_ns = env_.clock.now_ns() + options_.heartbeat_ns / 2;
  while (request.successor != format::kNoSlot && !ballot_->yes.contains(request.successor) &&
         env_.clock.now_ns() < until_ns) {
    co_await changed_.wait(&cancellation_, until_ns);
    if (cancellation_.requested()) break;
  }
  ballot_.reset();
}

TimeNs Elector::majority_ns() const {
  const std::vector<QuorumBlock> all = voters_of(keeper_.seen());
  const std::size_t need = needed(all.size());
  if (need <= 1) return kForever;
  std::vector<TimeNs> times;
  for (const QuorumBlock& voter : all) {
    const auto found = confirmed_ns_.find(voter.slot);
    if (voter.slot != own() && found != confirmed_ns_.end()) times.push_back(found->second);
  }
  // With our own vote, need - 1 others.
  if (times.size() < need - 1) return won_ns_;
  std::ranges::sort(times, std::greater{});
  return std::max(won_ns_, times[need - 2]);
}

TimeNs Elector::votes_end_ns() const {
  const TimeNs majority = majority_ns();
  return majority == kForever ? kForever : majority + counted_short(options_.lease_ns);
}

}  // namespace scoutfs::cluster
