#include "sim/workloads/shared_creates.hpp"

#include <fmt/core.h>

#include "sim/workloads/survival.hpp"

namespace scoutfs::sim {

SharedCreates::SharedCreates(const WorkloadEnv& env) : Workload(env) {
  dir_ = layout_.add_directory(Layout::kRoot, "shared-creates");
}

Operation SharedCreates::draw(const Caller& caller, const Handles& handles) {
  static_cast<void>(caller);
  static_cast<void>(handles);
  constexpr std::uint64_t kWanted = 60;  // names that all want
  const Ino dir = layout_.ino(dir_);
  const std::uint64_t what = random_.below(100);
  if (what < 5) return sync_operation();
  if (what < 12) return whole_listing(dir);
  const std::string wanted = fmt::format("wanted{}", random_.below(kWanted));
  if (what < 22) return on_name(OpKind::lookup, dir, wanted);
  if (what < 62) return new_file(OpKind::create, dir, wanted);
  return new_file(OpKind::create, dir, fmt::format("own{}", drawn_++));
}

void SharedCreates::called(const WorkloadCall& call) {
  if (call.op.kind != OpKind::create || call.op.ino != layout_.ino(dir_)) return;
  created_.try_emplace(call.op.name);
}

void SharedCreates::learn(const WorkloadCall& call, const Outcome& outcome) {
  const Operation& op = call.op;
  if (op.kind == OpKind::readdir && !outcome.error.has_value()) {
    std::map<std::string, Ino> entries;
    for (const fs::DirectoryEntry& entry : outcome.entries) {
      if (entry.name != "." && entry.name != "..") entries[entry.name] = entry.ino;
    }
    return check_listing(entries, call.called_at, describe(call.caller));
  }
  if (op.kind != OpKind::create || !outcome.attributes.has_value()) return;
  const auto found = created_.find(op.name);
  if (found == created_.end()) return;
  Created& created = found->second;
  if (fates_.keeps(created.call)) {
    fail(fmt::format("{} and {} have both created {}", describe(created.call.caller),
                     describe(call.caller), op.name));
  }
  created = {.call = call, .ino = outcome.attributes->ino};
}

// What was answered before `before` is there, if it stays, and nothing that nobody created.
void SharedCreates::check_listing(const std::map<std::string, Ino>& entries,
                                  std::uint64_t before, const std::string& who) {
  for (const auto& [name, ino] : entries) {
    if (!created_.contains(name)) fail(fmt::format("{} lists {}, unknown", who, name));
  }
  for (const auto& [name, created] : created_) {
    if (!fates_.keeps(created.call) || created.call.answered_at >= before) continue;
    const auto entry = entries.find(name);
    if (entry == entries.end()) {
      fail(fmt::format("{} does not list {}, which {} has created", who, name,
                       describe(created.call.caller)));
    } else if (entry->second != created.ino) {
      fail(fmt::format("{} lists inode {} as {}, which is inode {}", who, entry->second.value,
                       name, created.ino.value));
    }
  }
}

void SharedCreates::look(const RestTree& tree) {
  const RestTree::Node* const dir = tree.find(layout_.ino(dir_));
  if (dir == nullptr) return fail("the directory is not there");
  check_listing(dir->entries, ~std::uint64_t{0}, fmt::format("node{}", tree.reader));
  Survival survival;
  for (const auto& [name, created] : created_) {
    if (created.call.answered_at == 0) continue;
    const auto entry = dir->entries.find(name);
    survival.add(created.call, entry != dir->entries.end() && entry->second == created.ino);
  }
  if (const WorkloadCall* wrong = survival.first_wrong(fates_)) {
    fail(
        fmt::format("{}, which {} has created, is there or not against the order of what it "
                    "did",
                    wrong->op.name, describe(wrong->caller)));
  }
}

}  // namespace scoutfs::sim
