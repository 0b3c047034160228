#include "sim/workload.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace scoutfs::sim {

std::string_view to_string(WorkloadKind kind) {
  switch (kind) {
    case WorkloadKind::random_posix:
      return "random-posix";
    case WorkloadKind::rename_ring:
      return "rename-ring";
    case WorkloadKind::link_ring:
      return "link-ring";
    case WorkloadKind::shared_creates:
      return "shared-creates";
    case WorkloadKind::appends:
      return "appends";
    case WorkloadKind::stamped_data:
      return "stamped-data";
    case WorkloadKind::open_unlinked:
      return "open-unlinked";
    case WorkloadKind::scans:
      return "scans";
  }
  return "unknown";
}

std::string stamped_data(std::uint64_t size, std::uint64_t stamp) {
  std::string data(size, '\0');
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<char>((stamp >> (i % 8 * 8)) + i / 8 * 31);
  }
  return data;
}

std::uint64_t stamp_of(std::string_view data) {
  std::uint64_t stamp = 0;
  for (std::size_t i = 0; i < data.size() && i < 8; ++i) {
    stamp |= static_cast<std::uint64_t>(static_cast<unsigned char>(data[i])) << (i * 8);
  }
  return stamp;
}

std::string describe(const Caller& caller) {
  return fmt::format("node{} (life {}, worker {})", caller.node, caller.life, caller.worker);
}

// ---- Layout ----

std::size_t Layout::add(std::size_t parent, std::string name, std::uint32_t mode) {
  SCOUTFS_ASSERT(parent == kRoot || parent < places_.size());
  Place place;
  place.parent = parent;
  place.name = std::move(name);
  place.mode = mode;
  places_.push_back(std::move(place));
  return places_.size() - 1;
}

std::size_t Layout::add_directory(std::size_t parent, std::string name) {
  return add(parent, std::move(name), format::kTypeDirectory | 0755);
}

std::size_t Layout::add_file(std::size_t parent, std::string name) {
  return add(parent, std::move(name), format::kTypeRegular | 0644);
}

Ino Layout::parent_of(const Place& place) const {
  return place.parent == kRoot ? kRootIno : places_[place.parent].ino;
}

std::optional<Operation> Layout::next() const {
  const auto missing =
      std::ranges::find_if(places_, [](const Place& place) { return !place.ino; });
  if (missing == places_.end()) return std::nullopt;
  Operation op = on_name(missing->exists ? OpKind::lookup : OpKind::create, parent_of(*missing),
                         missing->name);
  if (!missing->exists) op.mode = missing->mode;
  return op;
}

void Layout::answered(const WorkloadCall& call, const Outcome& outcome) {
  const Operation& op = call.op;
  if (op.kind != OpKind::create && op.kind != OpKind::lookup) return;
  const auto place = std::ranges::find_if(places_, [this, &op](const Place& at) {
    return !at.ino && at.name == op.name && parent_of(at) == op.ino;
  });
  if (place == places_.end()) return;
  if (outcome.error == Errc::exists) place->exists = true;
  if (outcome.error == Errc::not_found) place->exists = false;
  if (!outcome.attributes.has_value()) return;
  place->ino = outcome.attributes->ino;
  place->life = call.caller.life;
  place->answered_at = call.answered_at;
}

void Layout::start_over() {
  for (Place& place : places_) {
    place.ino = {};
    place.exists = false;
  }
}

bool Layout::kept(const Fates& fates) const {
  return std::ranges::all_of(places_, [&fates](const Place& place) {
    return place.ino && fates.keeps(place.life, place.answered_at);
  });
}

// ---- Operations ----

Ino found_by(const Operation& op, const Outcome& outcome) {
  if (outcome.error.has_value() || !outcome.attributes.has_value()) return {};
  const bool names = op.kind == OpKind::lookup || op.kind == OpKind::create ||
                     op.kind == OpKind::create_open || op.kind == OpKind::link;
  return names ? outcome.attributes->ino : Ino{};
}

Operation on_inode(OpKind kind, Ino ino) {
  Operation op;
  op.kind = kind;
  op.ino = ino;
  return op;
}

Operation on_name(OpKind kind, Ino dir, std::string name) {
  Operation op = on_inode(kind, dir);
  op.name = std::move(name);
  return op;
}

Operation new_file(OpKind kind, Ino dir, std::string name) {
  Operation op = on_name(kind, dir, std::move(name));
  op.mode = format::kTypeRegular | 0644;
  return op;
}

Operation sync_operation() {
  Operation op;
  op.kind = OpKind::sync;
  return op;
}

Operation whole_listing(Ino dir) {
  constexpr std::uint64_t kEntriesMax = 10'000;
  Operation op = on_inode(OpKind::readdir, dir);
  op.length = kEntriesMax;
  return op;
}

}  // namespace scoutfs::sim
