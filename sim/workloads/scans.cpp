#include "sim/workloads/scans.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "sim/plan.hpp"

namespace scoutfs::sim {

Scans::Scans(const WorkloadEnv& env) : Workload(env) {
  constexpr unsigned kFiles = 20;
  dir_ = layout_.add_directory(Layout::kRoot, "scans");
  for (unsigned i = 0; i < kFiles; ++i) {
    files_.push_back(layout_.add_file(dir_, fmt::format("stays{}", i)));
  }
}

Operation Scans::draw(const Caller& caller, const Handles& handles) {
  static_cast<void>(handles);
  const Ino dir = layout_.ino(dir_);
  const std::uint64_t what = random_.below(100);
  if (what < 3) return sync_operation();
  if (what < 20) return new_file(OpKind::create, dir, fmt::format("passes{}", drawn_++));
  if (what < 35 && drawn_ > 0) {
    const std::uint64_t recent = std::min<std::uint64_t>(drawn_, 12);
    return on_name(OpKind::unlink, dir,
                   fmt::format("passes{}", drawn_ - 1 - random_.below(recent)));
  }
  if (what < 50) {
    // Something for compactions to do.
    Operation op = on_inode(OpKind::set_xattr, layout_.ino(random_.pick(files_)));
    op.name = "user.scans";
    op.data = stamped_data(random_.between(1, plan_.value_bytes), random_.next());
    return op;
  }
  Operation op = on_inode(OpKind::readdir, dir);
  const auto scan = scans_.find(caller);
  op.offset = scan == scans_.end() ? 0 : scan->second.position;
  op.length = random_.between(1, 6);
  return op;
}

void Scans::learn(const WorkloadCall& call, const Outcome& outcome) {
  const Operation& op = call.op;
  if (op.kind != OpKind::readdir || outcome.error.has_value()) return;
  if (op.offset == 0) scans_[call.caller] = {};
  const auto scan = scans_.find(call.caller);
  // One whose earlier pages are missing is none.
  if (scan == scans_.end() || scan->second.position != op.offset) return;
  check_page(call.caller, scan->second, outcome);
  if (outcome.entries.size() >= op.length) return;
  if (layout_.kept(fates_)) check_all_seen(describe(call.caller), scan->second.seen);
  scans_.erase(scan);
}

void Scans::check_page(const Caller& caller, Scan& scan, const Outcome& outcome) {
  board_.ran("workload");
  for (const fs::DirectoryEntry& entry : outcome.entries) {
    if (entry.position <= scan.position) {
      fail(fmt::format("{} is shown {} at {}, not behind {}", describe(caller), entry.name,
                       entry.position, scan.position));
    }
    scan.position = entry.position;
    if (!scan.seen.insert(entry.name).second) {
      fail(fmt::format("{} is shown {} twice", describe(caller), entry.name));
    }
  }
}

void Scans::check_all_seen(const std::string& who, const std::set<std::string>& seen) {
  for (const std::size_t file : files_) {
    if (!seen.contains(layout_.name(file))) {
      fail(fmt::format("{} is not shown {}, which is there all the time", who,
                       layout_.name(file)));
    }
  }
}

void Scans::look(const RestTree& tree) {
  const RestTree::Node* const dir = tree.find(layout_.ino(dir_));
  if (dir == nullptr) return fail("the directory is not there");
  std::set<std::string> seen;
  for (const auto& [name, ino] : dir->entries) seen.insert(name);
  check_all_seen(fmt::format("node{}", tree.reader), seen);
}

}  // namespace scoutfs::sim
