// What a node does at the end of a seed with a nearly full volume.
#include <fmt/core.h>

#include "sim/node_life.hpp"

namespace scoutfs::sim {

namespace {

Operation on_entry(OpKind kind, Ino dir, std::string name) {
  Operation op;
  op.kind = kind;
  op.ino = dir;
  op.name = std::move(name);
  return op;
}

}  // namespace

Task<void> NodeLife::delete_all(NodeLife* self) {
  std::vector<Ino> open{kRootIno};     // directories above one another
  std::vector<std::string> names{""};  // theirs, in the one above
  while (!open.empty()) {
    Operation list;
    list.kind = OpKind::readdir;
    list.ino = open.back();
    list.offset = 2;
    list.length = 1;
    const Outcome found = co_await self->judged(list);
    if (found.error.has_value()) co_return;
    if (found.entries.empty()) {
      open.pop_back();
      if (open.empty()) co_return;
      Operation remove = on_entry(OpKind::rmdir, open.back(), names.back());
      names.pop_back();
      co_await self->judged_only(std::move(remove));
      continue;
    }
    const fs::DirectoryEntry& entry = found.entries.front();
    if (entry.type == format::kTypeDirectory) {
      open.push_back(entry.ino);
      names.push_back(entry.name);
      continue;
    }
    Operation remove = on_entry(OpKind::unlink, open.back(), entry.name);
    const Outcome removed = co_await self->judged(std::move(remove));
    if (removed.error.has_value()) co_return;
  }
}

Task<void> NodeLife::fill(NodeLife* self, std::uint64_t bytes) {
  Operation create = on_entry(OpKind::create, kRootIno, "again");
  create.mode = format::kTypeRegular | 0644;
  const Outcome created = co_await self->judged(std::move(create));
  OracleBoard& board = self->cluster_.world().board();
  board.ran("space");
  if (created.error == Errc::no_space) board.fail("space", "no space in an emptied volume");
  if (!created.attributes.has_value()) co_return;
  Operation allocate;
  allocate.kind = OpKind::allocate;
  allocate.ino = created.attributes->ino;
  allocate.length = bytes;
  const Outcome filled = co_await self->judged(std::move(allocate));
  if (filled.error == Errc::no_space) {
    board.fail("space", fmt::format("an emptied volume has no space for {} bytes", bytes));
  }
  Operation remove = on_entry(OpKind::unlink, kRootIno, "again");
  co_await self->judged_only(std::move(remove));
}

}  // namespace scoutfs::sim
