#include "sim/judge.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace scoutfs::sim {

namespace {

// Errors that say nothing about the tree: the operation did not happen.
bool is_environment(Errc error) {
  switch (error) {
    case Errc::io_error:
    case Errc::disconnected:
    case Errc::timed_out:
    case Errc::fenced:
    case Errc::stopping:
    case Errc::interrupted:
      return true;
    default:
      return false;
  }
}

bool contains(const std::vector<Errc>& errors, Errc error) {
  return std::ranges::find(errors, error) != errors.end();
}

// Deleting works on a full volume.
bool takes_space(const Operation& op) {
  switch (op.kind) {
    case OpKind::lookup:
    case OpKind::getattr:
    case OpKind::readlink:
    case OpKind::readdir:
    case OpKind::open:
    case OpKind::read:
    case OpKind::seek:
    case OpKind::get_xattr:
    case OpKind::list_xattrs:
    case OpKind::statfs:
    case OpKind::ino_path:
    case OpKind::unlink:
    case OpKind::rmdir:
    case OpKind::remove_xattr:
      return false;
    case OpKind::truncate:
      return op.length != 0;
    default:
      return true;
  }
}

std::string hex_around(const std::string& bytes, std::size_t at) {
  std::string text;
  for (std::size_t i = at; i < std::min(bytes.size(), at + 8); ++i) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(bytes[i]));
  }
  return text;
}

std::string bytes_difference(const std::string& want, const std::string& got) {
  if (want == got) return {};
  if (want.size() != got.size()) {
    return fmt::format("{} bytes instead of {}", got.size(), want.size());
  }
  const auto [a, b] = std::ranges::mismatch(want, got);
  const auto at = static_cast<std::size_t>(a - want.begin());
  return fmt::format("at byte {}: {} instead of {}", at, hex_around(got, at),
                     hex_around(want, at));
}

bool all_zero(const std::string& bytes, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < std::min(end, bytes.size()); ++i) {
    if (bytes[i] != '\0') return false;
  }
  return true;
}

// `rest`: the content from the offset on.
std::string seek_difference(const Operation& op, const std::string& rest,
                            const Outcome& outcome) {
  if (outcome.error.has_value()) {
    if (op.seek == fs::Seek::data && *outcome.error == Errc::no_such_position &&
        all_zero(rest, 0, rest.size())) {
      return {};
    }
    return fmt::format("failed with {}", to_string(*outcome.error));
  }
  if (outcome.number < op.offset || outcome.number > op.offset + rest.size()) {
    return fmt::format("position {} is not in the file behind {}", outcome.number, op.offset);
  }
  const auto passed = static_cast<std::size_t>(outcome.number - op.offset);
  if (op.seek == fs::Seek::data) {
    if (passed == rest.size()) return "found data at the end";
    return all_zero(rest, 0, passed) ? "" : "passed over data";
  }
  const std::size_t in_block = kBlockSize - outcome.number % kBlockSize;
  return all_zero(rest, passed, passed + in_block) ? "" : "found a hole where data is";
}

}  // namespace

Judge::Judge(const EventQueue& events, Trace& trace, OracleBoard& board,
             std::uint32_t root_mode)
    : events_(events), trace_(trace), board_(board), root_mode_(root_mode), model_(root_mode) {
  bind(kRootIno, 1);
}

Judge::Call::Call(Judge& judge, Life life, unsigned node, Operation op, const Clock* clock)
    : judge_(judge),
      number_(++judge.calls_),
      life_(life),
      node_(node),
      op_(std::move(op)),
      clock_(clock),
      called_ns_(judge.events_.now_ns()) {
  alone_ = judge_.in_progress_.empty();
  judge_.in_progress_[number_] = fmt::format("node{} {}", node, describe(op_));
  if (clock_ != nullptr) when_.first_ns = static_cast<std::int64_t>(clock_->wall_ns());
  const auto newest = judge_.newest_txn_.find(life);
  if (newest != judge_.newest_txn_.end()) synced_up_to_ = newest->second;
  judge_.trace_.event(judge_.events_.now_ns(), node, EventKind::operation,
                      checksum64(describe(op_), 0));
  judge_.trace_.line(judge_.events_.now_ns(), node, "calls {}", describe(op_));
  if (Observer* observer = judge_.trace_.observer())
    observer->called(judge_.events_.now_ns(), number_, node, life, op_);
}

void Judge::Call::serialized(TxnNo txn) {
  if (expected_.has_value()) return judge_.fail(*this, "witness", "took effect twice");
  if (finished_) return judge_.fail(*this, "witness", "took effect after its answer");
  if (judge_.over_.contains(life_)) {
    too_late_ = true;  // it must not answer
    return;
  }
  judge_.execute(*this, txn);
}

void Judge::Call::finish(const Outcome& outcome) {
  finished_ = true;
  judge_.judge_answer(*this, outcome);
}

void Judge::execute(Call& call, TxnNo txn) {
  trace_.event(events_.now_ns(), call.node_, EventKind::operation, txn.value);
  if (Observer* observer = trace_.observer())
    observer->took_effect(events_.now_ns(), call.number_, txn);
  const Operation& op = call.op_;
  // These look at nothing in the tree.
  if (op.kind == OpKind::sync || op.kind == OpKind::statfs) return;
  call.ids_.inode = id_of(op.ino);
  call.ids_.other = id_of(op.other);
  if (call.clock_ != nullptr) {
    call.when_.last_ns = static_cast<std::int64_t>(call.clock_->wall_ns());
    times_.at_effect(op, call.ids_.inode, call.node_, call.when_.last_ns, call.clock_);
  }
  call.ids_.when = call.when_;
  const bool creates = op.kind == OpKind::create || op.kind == OpKind::create_open;
  if (creates) {
    call.ids_.created = next_id_++;
    times_.created(call.ids_.created, call.when_);
  }
  const bool unlinked = is_unlinked(call.ids_.inode);
  // The news that the last one has closed it travels; until then it may be there or not.
  call.may_be_gone_ = unlinked && (!is_open(call.ids_.inode) || op.kind == OpKind::readdir);
  if (call.may_be_gone_ && txn.value == 0) return expect_of_unlinked(call);
  Expected expected = model_.execute(op, call.ids_);
  trace_.line(events_.now_ns(), call.node_, "{} takes effect in transaction {}{}", describe(op),
              txn.value, expected.errors.empty() ? "" : ", to fail");
  const bool opens = op.kind == OpKind::open || op.kind == OpKind::create_open;
  if (opens && !call.may_be_gone_ && expected.errors.empty())
    ++opens_[{expected.id, call.life_}];
  if (expected.changed && txn.value == 0) {
    fail(call, "witness", "changes something in no transaction");
  }
  log_.push_back(
      {op, call.ids_, call.life_, txn, expected.changed, expected.digest(), expected.errors});
  if (expected.changed) {
    TxnNo& newest = newest_txn_[call.life_];
    if (txn < newest && txn.value != 0)
      fail(call, "witness", "went back to an older transaction");
    newest = std::max(newest, txn);
  }
  call.expected_ = std::move(expected);
}

void Judge::expect_of_unlinked(Call& call) {
  Model copy = model_;
  Expected expected = copy.execute(call.op_, call.ids_);
  // It changed nothing, so if it would have, it did not find the inode.
  if (expected.changed) {
    expected = Expected{};
    expected.errors.push_back(Errc::not_found);
  }
  call.expected_ = std::move(expected);
}

bool Judge::is_unlinked(ModelId id) const {
  const ModelInode* inode = model_.find(id);
  return inode != nullptr && inode->nlink == 0;
}

void Judge::judge_answer(Call& call, const Outcome& outcome) {
  ++answers_;
  ++answers_by_kind_[call.op_.kind];
  if (outcome.error.has_value()) ++errors_[*outcome.error];
  const auto code =
      outcome.error.has_value() ? static_cast<std::uint64_t>(*outcome.error) : 255;
  trace_.event(events_.now_ns(), call.node_, EventKind::operation, mix(code, outcome.number));
  trace_.line(events_.now_ns(), call.node_, "{} answers {}", describe(call.op_),
              outcome.error.has_value() ? to_string(*outcome.error) : "success");
  if (Observer* observer = trace_.observer())
    observer->answered(events_.now_ns(), call.number_, outcome);
  if (over_.contains(call.life_)) {
    board_.ran("lease");
    if (outcome.error.has_value() && is_environment(*outcome.error)) return;
    return fail(call, "lease", "answered when others may have had what this node held");
  }
  // It may have taken effect and be lost with the node.
  const bool failing = failing_.contains(call.life_);
  if (failing && outcome.error.has_value() && is_environment(*outcome.error)) return;
  if (outcome.error == Errc::io_error) {
    board_.ran("eio");
    if (!disk_failed_(call.life_)) {
      return fail(call, "eio", "an I/O error, although the disk failed nothing");
    }
  }
  if (outcome.error == Errc::corrupt) return fail(call, "answer", "found corruption");
  if (!call.expected_.has_value()) {
    // It may have got a part of the way: what is allocated or punched stays so.
    const bool in_pieces = call.op_.kind == OpKind::allocate || call.op_.kind == OpKind::punch;
    if (in_pieces && outcome.error.has_value()) times_.forget(id_of(call.op_.ino));
    if (outcome.error.has_value() && is_environment(*outcome.error)) return;
    if (outcome.error == Errc::no_space) {
      board_.ran("space");
      if (!takes_space(call.op_)) return fail(call, "space", "no space to make some");
      if (!was_full_(call.called_ns_)) {
        fail(call, "space", "no space, although there is plenty");
      }
      return;
    }
    if (call.op_.kind == OpKind::sync) {
      board_.ran("answer");
      if (outcome.error.has_value()) return fail(call, "answer", "failed");
      TxnNo& synced = synced_[call.life_];
      synced = std::max(synced, call.synced_up_to_);
      return;
    }
    if (call.op_.kind == OpKind::statfs) {
      board_.ran("answer");
      const std::string what = statfs_difference(call, outcome);
      if (!what.empty()) fail(call, "answer", what);
      return;
    }
    const std::vector<Errc> allowed = Model::argument_errors(call.op_);
    const bool fine = outcome.error.has_value() && contains(allowed, *outcome.error);
    board_.ran("witness");
    if (!fine) {
      fail(call, "witness",
           fmt::format("answered {} without an instant at which it took effect",
                       outcome.error.has_value() ? to_string(*outcome.error) : "success"));
    }
    return;
  }
  compare(call, outcome);
}

void Judge::compare(const Call& call, const Outcome& outcome) {
  board_.ran("answer");
  if (call.may_be_gone_ && outcome.error == Errc::not_found) return;
  if (call.may_be_gone_ && call.op_.kind == OpKind::open && !outcome.error.has_value()) {
    ++opens_[{call.ids_.inode, call.life_}];
  }
  const bool canary = answers_ > canary_at_.value_or(~0ULL) && outcome.attributes.has_value();
  Outcome falsified = canary ? outcome : Outcome{};
  if (canary) ++falsified.attributes->inode.nlink;
  const std::string what = difference(call, canary ? falsified : outcome);
  if (!what.empty()) fail(call, "answer", what);
}

std::string Judge::difference(const Call& call, const Outcome& outcome) {
  const Expected& expected = *call.expected_;
  if (expected.is_seek) return seek_difference(call.op_, expected.bytes, outcome);
  if (expected.is_path) return path_difference(call, outcome);
  if (!expected.errors.empty()) {
    const std::string_view got =
        outcome.error.has_value() ? to_string(*outcome.error) : "success";
    if (outcome.error.has_value() && contains(expected.errors, *outcome.error)) {
      return {};
    }
    return fmt::format("{} instead of {}", got, to_string(expected.errors.front()));
  }
  if (outcome.error.has_value()) {
    return fmt::format("{} instead of success", to_string(*outcome.error));
  }
  if (outcome.number != expected.number) {
    return fmt::format("{} instead of {}", outcome.number, expected.number);
  }
  const std::string bytes = bytes_difference(expected.bytes, outcome.bytes);
  if (!bytes.empty()) return bytes;
  if (call.op_.kind == OpKind::readdir) return entries_difference(call, outcome);
  std::vector<std::string> names = outcome.names;
  std::ranges::sort(names);
  if (names != expected.names) {
    return fmt::format("{} attributes instead of {}", names.size(), expected.names.size());
  }
  if (!expected.has_attributes) return {};
  if (!outcome.attributes.has_value()) return "no attributes";
  return attributes_difference(expected, *outcome.attributes);
}

// The next path behind a place in the order of directories' numbers and positions. Of a
// directory whose number nobody has told yet it is not known where it comes.
std::string Judge::path_difference(const Call& call, const Outcome& outcome) {
  const std::pair<Ino, std::uint64_t> after{call.op_.other, call.op_.offset};
  if (outcome.error.has_value() && *outcome.error != Errc::not_found) {
    return fmt::format("failed with {}", to_string(*outcome.error));
  }
  std::optional<std::pair<Ino, std::uint64_t>> got;
  if (outcome.path.has_value()) {
    got.emplace(outcome.path->dir, outcome.path->position);
    if (*got <= after) return "a path that is not behind the place asked for";
    const auto is_it = [this, &outcome](const Expected::Path& path) {
      return path.path == outcome.path->path && path.position == outcome.path->position &&
             bind(outcome.path->dir, path.dir);
    };
    if (std::ranges::none_of(call.expected_->paths, is_it)) {
      return fmt::format("{}@{} is no path of it", outcome.path->path, outcome.path->position);
    }
  }
  for (const Expected::Path& path : call.expected_->paths) {
    const auto known = ino_of_.find(path.dir);
    if (known == ino_of_.end()) continue;
    const std::pair<Ino, std::uint64_t> place{known->second, path.position};
    if (place > after && (!got.has_value() || place < *got)) {
      return fmt::format("the path {} is left out", path.path);
    }
  }
  return {};
}

std::string Judge::statfs_difference(const Call& call, const Outcome& outcome) const {
  if (!outcome.statfs.has_value()) return "failed";
  const fs::StatFs& got = *outcome.statfs;
  if (total_blocks_ != 0 && got.total_blocks != total_blocks_) {
    return fmt::format("{} blocks in all instead of {}", got.total_blocks, total_blocks_);
  }
  if (got.free_blocks > got.total_blocks) return "more is free than there is";
  // While others write, what they have just written may not be taken yet when this is answered.
  if (!call.alone_ || calls_ != call.number_) return {};
  const std::uint64_t used = model_.blocks_in_use();
  if (got.free_blocks + used <= got.total_blocks) return {};
  return fmt::format("{} of {} blocks are free, although files have {}", got.free_blocks,
                     got.total_blocks, used);
}

std::string Judge::attributes_difference(const Expected& expected, const fs::Attributes& got) {
  if (!bind(got.ino, expected.id)) return "an inode number that belongs to another file";
  const auto differs = [](std::string_view what, std::uint64_t is, std::uint64_t want) {
    return fmt::format("{} is {} instead of {}", what, is, want);
  };
  const format::Inode& inode = got.inode;
  if (inode.size != expected.size) return differs("size", inode.size, expected.size);
  if (inode.nlink != expected.nlink) return differs("nlink", inode.nlink, expected.nlink);
  if (inode.mode != expected.mode) return differs("mode", inode.mode, expected.mode);
  if (inode.uid != expected.uid) return differs("uid", inode.uid, expected.uid);
  if (inode.gid != expected.gid) return differs("gid", inode.gid, expected.gid);
  if (inode.xattr_count != expected.xattr_count) {
    return differs("xattr_count", inode.xattr_count, expected.xattr_count);
  }
  return times_.difference(model_, expected, inode);
}

std::string Judge::entries_difference(const Call& call, const Outcome& outcome) {
  // What a removed directory lists as its parent is open.
  if (call.may_be_gone_) return {};
  const auto listing = [](const auto& entries) {
    std::string text;
    for (const auto& entry : entries) text += fmt::format(" {}@{}", entry.name, entry.position);
    return text;
  };
  const std::vector<Expected::Entry>& want = call.expected_->entries;
  const std::vector<fs::DirectoryEntry>& got = outcome.entries;
  bool equal = want.size() == got.size();
  for (std::size_t i = 0; equal && i < want.size(); ++i) {
    equal = want[i].name == got[i].name && want[i].type == got[i].type &&
            want[i].position == got[i].position;
    if (equal && !bind(got[i].ino, want[i].id)) return "an entry with another file's number";
  }
  if (equal) return {};
  return fmt::format("lists{} instead of{}", listing(got), listing(want));
}

void Judge::fail(const Call& call, const std::string& oracle, const std::string& what) {
  board_.fail(oracle, fmt::format("at {} ns, node{} (life {}): {}: {}", events_.now_ns(),
                                  call.node_, call.life_, describe(call.op_), what));
}

std::string Judge::describe_calls() const {
  std::string text;
  for (const auto& [number, what] : in_progress_) text += fmt::format(" {} waits;", what);
  return text;
}

ModelId Judge::id_of(Ino ino) const {
  const auto found = id_of_.find(ino);
  return found == id_of_.end() ? 0 : found->second;
}

bool Judge::bind(Ino ino, ModelId id) {
  const auto [by_ino, new_ino] = id_of_.try_emplace(ino, id);
  const auto [by_id, new_id] = ino_of_.try_emplace(id, ino);
  return by_ino->second == id && by_id->second == ino;
}

bool Judge::is_open(ModelId id) const {
  const auto found = opens_.lower_bound({id, 0});
  return found != opens_.end() && found->first.first == id;
}

void Judge::closed(Life life, Ino ino) {
  const auto found = opens_.find({id_of(ino), life});
  if (over_.contains(life)) return;
  SCOUTFS_ASSERT(found != opens_.end());
  if (--found->second == 0) opens_.erase(found);
}

void Judge::died(Life life) {
  std::erase_if(opens_, [life](const auto& open) { return open.first.second == life; });
}

void Judge::over(Life life) {
  over_.insert(life);
  died(life);
}

void Judge::left(Life life) {
  died(life);
  newest_txn_.erase(life);
}

void Judge::resolve(Life life, TxnNo recorded) {
  newest_txn_.erase(life);
  board_.ran("crash");
  if (recorded < synced_[life]) {
    board_.fail("crash", fmt::format("life {}: transactions up to {} were promised to be "
                                     "durable, but only {} are recorded",
                                     life, synced_[life].value, recorded.value));
  }
  trace_.event(events_.now_ns(), kWorld, EventKind::node, mix(life, recorded.value));
  trace_.line(events_.now_ns(), kWorld, "life {} survives up to transaction {}", life,
              recorded.value);
  std::erase_if(log_, [this, life, recorded](const Record& record) {
    if (record.life != life) return false;
    if (record.changed && record.txn <= recorded) return false;
    if (record.changed) ++lost_;
    return true;
  });
  replay();
}

void Judge::replay() {
  model_ = Model(root_mode_);
  for (const Record& record : log_) {
    const Expected again = model_.execute(record.op, record.ids);
    if (again.digest() == record.digest) continue;
    // A failure may have had several reasons of which one is gone with the lost transaction.
    if (std::ranges::find_first_of(again.errors, record.errors) != again.errors.end()) continue;
    board_.fail("crash", fmt::format("life {}: {} answered what depends on a transaction that "
                                     "was lost",
                                     record.life, describe(record.op)));
    return;
  }
}

}  // namespace scoutfs::sim
