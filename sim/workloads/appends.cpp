#include "sim/workloads/appends.hpp"

#include <fmt/core.h>

#include "sim/workloads/survival.hpp"

namespace scoutfs::sim {

namespace {
constexpr std::size_t kUnit = 8;  // bytes; a record is a number of them, the first its stamp
constexpr std::uint64_t kFileMax = 256u << 10;  // bytes; few files get as long
}  // namespace

Appends::Appends(const WorkloadEnv& env) : Workload(env) {
  constexpr unsigned kFiles = 3;
  const std::size_t dir = layout_.add_directory(Layout::kRoot, "appends");
  for (unsigned i = 0; i < kFiles; ++i) {
    files_.push_back(layout_.add_file(dir, fmt::format("log{}", i)));
  }
}

Operation Appends::draw(const Caller& caller, const Handles& handles) {
  static_cast<void>(handles);
  const Ino file = layout_.ino(random_.pick(files_));
  const std::uint64_t what = random_.below(100);
  if (what < 6) return sync_operation();
  if (what < 14) return on_inode(OpKind::getattr, file);
  if (what < 30) {
    Operation op = on_inode(OpKind::read, file);
    op.length = random_.chance(1, 2) ? kFileMax : random_.log_between(1, kFileMax);
    return op;
  }
  constexpr std::uint64_t kUnitsMax = 600;  // longer than a block
  Operation op = on_inode(OpKind::append, file);
  const std::uint64_t stamp = ++drawn_ << 16 | caller.node << 8 | caller.worker;
  op.data = stamped_data(kUnit * random_.log_between(1, kUnitsMax), stamp);
  return op;
}

void Appends::called(const WorkloadCall& call) {
  if (call.op.kind == OpKind::append) records_[stamp_of(call.op.data)] = {.call = call};
}

void Appends::learn(const WorkloadCall& call, const Outcome& outcome) {
  const Operation& op = call.op;
  if (outcome.error.has_value()) return;
  if (op.kind == OpKind::append) {
    records_[stamp_of(op.data)] = {.call = call, .succeeded = true, .offset = outcome.number};
    return;
  }
  if (op.kind != OpKind::read || op.offset != 0 || !layout_.kept(fates_)) return;
  board_.ran("workload");
  const bool whole = outcome.bytes.size() < op.length;
  const Found found = parse(op.ino, outcome.bytes, whole, describe(call.caller));
  if (!whole) return;
  for (const auto& [stamp, record] : records_) {
    if (record.call.op.ino != op.ino || !record.succeeded || !fates_.keeps(record.call))
      continue;
    if (record.call.answered_at < call.called_at && !found.contains(stamp)) {
      fail(fmt::format("{} does not read what {} has appended at {}", describe(call.caller),
                       describe(record.call.caller), record.offset));
    }
  }
}

Appends::Found Appends::parse(Ino file, std::string_view content, bool whole,
                              const std::string& who) {
  Found found;
  std::size_t at = 0;
  while (at + kUnit <= content.size()) {
    const std::uint64_t stamp = stamp_of(content.substr(at));
    const auto record = records_.find(stamp);
    if (record == records_.end() || record->second.call.op.ino != file) {
      fail(fmt::format("{} reads at {} what nobody has appended", who, at));
      return found;
    }
    const std::string& data = record->second.call.op.data;
    const std::string_view got = content.substr(at, data.size());
    if (got.size() < data.size() && !whole) return found;
    if (got != data) fail(fmt::format("{} reads no whole record at {}", who, at));
    if (!found.insert(stamp).second)
      fail(fmt::format("{} reads twice the record at {}", who, at));
    const Record& known = record->second;
    if (known.succeeded && fates_.keeps(known.call) && known.offset != at) {
      fail(fmt::format("{} reads at {} what was appended at {}", who, at, known.offset));
    }
    at += data.size();
  }
  if (whole && at != content.size()) fail(fmt::format("{} reads part of a record", who));
  return found;
}

void Appends::look(const RestTree& tree) {
  const std::string who = fmt::format("node{}", tree.reader);
  Survival survival;
  for (const std::size_t number : files_) {
    const RestTree::Node* const file = tree.find(layout_.ino(number));
    if (file == nullptr) return fail(fmt::format("{} does not find a file", who));
    const Found found = parse(layout_.ino(number), file->content, true, who);
    for (const auto& [stamp, record] : records_) {
      if (!record.succeeded || record.call.op.ino != layout_.ino(number)) continue;
      survival.add(record.call, found.contains(stamp));
    }
  }
  if (const WorkloadCall* wrong = survival.first_wrong(fates_)) {
    fail(
        fmt::format("a record of {} bytes of {} is there or not against the order of what it "
                    "did, as {} reads it",
                    wrong->op.data.size(), describe(wrong->caller), who));
  }
}

}  // namespace scoutfs::sim
