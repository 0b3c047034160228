#include "sim/workloads/open_unlinked.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "sim/plan.hpp"

namespace scoutfs::sim {

namespace {
constexpr std::uint64_t kOpenMax = 3;  // of each worker
}

OpenUnlinked::OpenUnlinked(const WorkloadEnv& env) : Workload(env) {
  dir_ = layout_.add_directory(Layout::kRoot, "open-unlinked");
}

Operation OpenUnlinked::draw(const Caller& caller, const Handles& handles) {
  const Ino dir = layout_.ino(dir_);
  const std::uint64_t what = random_.below(100);
  if (what < 3) return sync_operation();
  if (what < 35 && !names_.empty()) {
    const std::uint64_t recent = std::min<std::uint64_t>(drawn_, 8);
    const std::string name = fmt::format("file{}", drawn_ - 1 - random_.below(recent));
    return on_name(what < 9 ? OpKind::lookup : OpKind::unlink, dir, name);
  }
  if (handles.empty() || (handles.size() < kOpenMax && what < 50)) {
    return new_file(OpKind::create_open, dir, fmt::format("file{}", drawn_++));
  }
  const Ino file = random_.pick(handles).ino;
  if (what < 60) return on_inode(OpKind::getattr, file);
  const std::uint64_t bytes = std::min<std::uint64_t>(plan_.file_bytes, 20'000);
  Operation op = on_inode(what < 78 ? OpKind::write : OpKind::read, file);
  op.offset = random_.chance(1, 2) ? 0 : random_.below(bytes);
  const std::uint64_t size = random_.log_between(1, bytes);
  if (op.kind == OpKind::read) {
    op.length = 2 * size;
  } else {
    op.data = stamped_data(size, mix(random_.next(), caller.life));
  }
  return op;
}

void OpenUnlinked::called(const WorkloadCall& call) {
  if (call.op.kind == OpKind::create_open) names_.try_emplace(call.op.name);
  if (call.op.kind == OpKind::unlink) names_[call.op.name].to_unlink = true;
}

void OpenUnlinked::closed(const Caller& caller, Ino ino) {
  static_cast<void>(caller);
  open_.erase(ino);
}

void OpenUnlinked::learn(const WorkloadCall& call, const Outcome& outcome) {
  const Operation& op = call.op;
  switch (op.kind) {
    case OpKind::create_open:
      if (!outcome.attributes.has_value()) return;
      names_[op.name].created = call;
      open_[outcome.attributes->ino] = {.owner = call.caller, .content = {}};
      return;
    case OpKind::unlink:
      if (!outcome.error.has_value()) names_[op.name].unlinked = call;
      return;
    case OpKind::lookup: {
      const std::optional<WorkloadCall>& unlinked = names_[op.name].unlinked;
      const bool gone = unlinked.has_value() && fates_.keeps(*unlinked) &&
                        unlinked->answered_at < call.called_at;
      if (gone && outcome.attributes.has_value()) {
        fail(fmt::format("{} finds {}, which {} has unlinked", describe(call.caller), op.name,
                         describe(unlinked->caller)));
      }
      return;
    }
    default:
      break;
  }
  const auto file = open_.find(op.ino);
  if (file != open_.end() && file->second.owner == call.caller) {
    check_open(call, outcome, file->second);
  }
}

void OpenUnlinked::check_open(const WorkloadCall& call, const Outcome& outcome,
                              OpenFile& file) {
  const Operation& op = call.op;
  board_.ran("workload");
  if (outcome.error == Errc::not_found) {
    return fail(fmt::format("{} has inode {} open and does not find it", describe(call.caller),
                            op.ino.value));
  }
  if (outcome.error.has_value()) {
    if (op.kind == OpKind::write) file.known = false;
    return;
  }
  if (op.kind == OpKind::write) {
    const std::size_t end = op.offset + op.data.size();
    if (file.content.size() < end) file.content.resize(end, '\0');
    file.content.replace(op.offset, op.data.size(), op.data);
    return;
  }
  if (!file.known) return;
  if (op.kind == OpKind::getattr && outcome.attributes->inode.size != file.content.size()) {
    fail(fmt::format("{} has written {} bytes to inode {}, which says {}",
                     describe(call.caller), file.content.size(), op.ino.value,
                     outcome.attributes->inode.size));
  }
  if (op.kind != OpKind::read) return;
  const std::string want =
      op.offset < file.content.size() ? file.content.substr(op.offset, op.length) : "";
  if (outcome.bytes != want) {
    fail(fmt::format("{} reads from inode {} at {} other bytes than it has written",
                     describe(call.caller), op.ino.value, op.offset));
  }
}

void OpenUnlinked::look(const RestTree& tree) {
  const RestTree::Node* const dir = tree.find(layout_.ino(dir_));
  if (dir == nullptr) return fail("the directory is not there");
  for (const auto& [name, known] : names_) {
    const bool there = dir->entries.contains(name);
    if (there && known.unlinked.has_value() && fates_.keeps(*known.unlinked)) {
      fail(fmt::format("node{} lists {}, which {} has unlinked", tree.reader, name,
                       describe(known.unlinked->caller)));
    }
    const bool stays =
        known.created.has_value() && fates_.keeps(*known.created) && !known.to_unlink;
    if (!there && stays) {
      fail(fmt::format("node{} does not list {}, which {} has created", tree.reader, name,
                       describe(known.created->caller)));
    }
  }
}

}  // namespace scoutfs::sim
