#include "sim/workloads/link_ring.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace scoutfs::sim {

namespace {
constexpr unsigned kFiles = 4;
constexpr unsigned kNames = 4;  // of each, beside the one that stays
}  // namespace

LinkRing::LinkRing(const WorkloadEnv& env) : Workload(env) {
  dir_ = layout_.add_directory(Layout::kRoot, "link-ring");
  for (unsigned i = 0; i < kFiles; ++i) {
    files_.push_back(layout_.add_file(dir_, fmt::format("file{}", i)));
  }
}

std::string LinkRing::draw_name(std::size_t file) {
  return fmt::format("{}.{}", layout_.name(file), random_.below(kNames));
}

Ino LinkRing::owner_of(const std::string& name) const {
  const std::string base = name.substr(0, name.find('.'));
  const auto file = std::ranges::find_if(
      files_, [this, &base](std::size_t number) { return layout_.name(number) == base; });
  return file == files_.end() ? Ino{} : layout_.ino(*file);
}

Operation LinkRing::draw(const Caller& caller, const Handles& handles) {
  static_cast<void>(caller);
  static_cast<void>(handles);
  const Ino dir = layout_.ino(dir_);
  const std::size_t file = random_.pick(files_);
  const std::string name = draw_name(file);
  const std::uint64_t what = random_.below(100);
  if (what < 4) return sync_operation();
  if (what < 14) return whole_listing(dir);
  if (what < 24) return on_inode(OpKind::getattr, layout_.ino(file));
  if (what < 36) return on_name(OpKind::lookup, dir, name);
  if (what < 50) {
    Operation op = on_name(OpKind::rename, dir, name);
    op.other = dir;
    op.name2 = draw_name(file);
    return op;
  }
  if (there_[name]) return on_name(OpKind::unlink, dir, name);
  Operation op = on_name(OpKind::link, layout_.ino(file), name);
  op.other = dir;
  return op;
}

void LinkRing::learn(const WorkloadCall& call, const Outcome& outcome) {
  const Operation& op = call.op;
  if (op.kind == OpKind::readdir && !outcome.error.has_value() && layout_.kept(fates_)) {
    std::map<std::string, Ino> entries;
    for (const fs::DirectoryEntry& entry : outcome.entries) entries[entry.name] = entry.ino;
    return check_entries(entries, describe(call.caller));
  }
  if (outcome.error == Errc::not_found) there_[op.name] = false;
  if (outcome.error == Errc::exists) there_[op.name] = true;
  if (outcome.error.has_value()) return;
  if (op.kind == OpKind::link) there_[op.name] = true;
  if (op.kind == OpKind::unlink) there_[op.name] = false;
  if (op.kind == OpKind::rename) there_[op.name2] = true;
  if (op.kind != OpKind::lookup || !outcome.attributes.has_value()) return;
  there_[op.name] = true;
  const Ino owner = owner_of(op.name);
  if (owner && outcome.attributes->ino != owner) {
    fail(fmt::format("{} finds inode {} as {}, a name of inode {}", describe(call.caller),
                     outcome.attributes->ino.value, op.name, owner.value));
  }
}

void LinkRing::check_entries(const std::map<std::string, Ino>& entries,
                             const std::string& who) {
  for (const auto& [name, ino] : entries) {
    const Ino owner = owner_of(name);
    if (owner && owner != ino) {
      fail(fmt::format("{} lists inode {} as {}, a name of inode {}", who, ino.value, name,
                       owner.value));
    }
  }
  for (const std::size_t file : files_) {
    if (layout_.ino(file) && !entries.contains(layout_.name(file))) {
      fail(fmt::format("{} does not list {}", who, layout_.name(file)));
    }
  }
}

void LinkRing::look(const RestTree& tree) {
  const std::string who = fmt::format("node{}", tree.reader);
  const RestTree::Node* const dir = tree.find(layout_.ino(dir_));
  if (dir == nullptr) return fail(fmt::format("{} does not find the directory", who));
  check_entries(dir->entries, who);
  std::map<Ino, std::uint64_t> names;
  for (const auto& [name, ino] : dir->entries) ++names[ino];
  for (const std::size_t file : files_) {
    const Ino ino = layout_.ino(file);
    const RestTree::Node* const node = tree.find(ino);
    if (node == nullptr) continue;
    if (node->inode.nlink != names[ino]) {
      fail(fmt::format("{} has {} links and {} names, as {} reads it", layout_.name(file),
                       node->inode.nlink, names[ino], who));
    }
  }
}

}  // namespace scoutfs::sim
