#include "sim/workloads/rename_ring.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace scoutfs::sim {

RenameRing::RenameRing(const WorkloadEnv& env) : Workload(env) {
  constexpr unsigned kPlaces = 3, kFiles = 5, kDirectories = 3;
  const std::size_t ring = layout_.add_directory(Layout::kRoot, "rename-ring");
  for (unsigned i = 0; i < kPlaces; ++i) {
    places_.push_back(layout_.add_directory(ring, fmt::format("place{}", i)));
  }
  for (unsigned i = 0; i < kFiles; ++i) {
    tokens_.push_back(layout_.add_file(places_[i % kPlaces], fmt::format("file{}", i)));
  }
  for (unsigned i = 0; i < kDirectories; ++i) {
    const std::size_t moves = layout_.add_directory(places_[i], fmt::format("moving{}", i));
    tokens_.push_back(moves);
    places_.push_back(moves);
  }
}

Ino RenameRing::draw_place() {
  return layout_.ino(random_.pick(places_));
}

Ino RenameRing::ino_of(const std::string& name) const {
  const auto token = std::ranges::find_if(
      tokens_, [this, &name](std::size_t number) { return layout_.name(number) == name; });
  return token == tokens_.end() ? Ino{} : layout_.ino(*token);
}

Operation RenameRing::draw(const Caller& caller, const Handles& handles) {
  static_cast<void>(caller);
  static_cast<void>(handles);
  const std::uint64_t what = random_.below(100);
  if (what < 4) return sync_operation();
  if (what < 16) return whole_listing(draw_place());
  const std::string& token = layout_.name(random_.pick(tokens_));
  if (what < 36) return on_name(OpKind::lookup, draw_place(), token);
  const auto seen = last_seen_.find(token);
  const Ino from = seen == last_seen_.end() ? draw_place() : seen->second;
  Operation op = on_name(OpKind::rename, from, token);
  op.other = draw_place();
  op.name2 = token;
  if (random_.chance(1, 3)) op.rename_flags = fs::RenameFlags::no_replace;
  return op;
}

void RenameRing::learn(const WorkloadCall& call, const Outcome& outcome) {
  const Operation& op = call.op;
  if (outcome.error.has_value()) {
    if (outcome.error == Errc::not_found) last_seen_.erase(op.name);
    return;
  }
  if (op.kind == OpKind::rename) last_seen_[op.name] = op.other;
  if (op.kind != OpKind::lookup || !outcome.attributes.has_value()) return;
  last_seen_[op.name] = op.ino;
  const Ino is = ino_of(op.name);
  if (is && is != outcome.attributes->ino) {
    fail(fmt::format("{} finds inode {} as {}, which is inode {}", describe(call.caller),
                     outcome.attributes->ino.value, op.name, is.value));
  }
}

void RenameRing::look(const RestTree& tree) {
  std::map<std::string, std::vector<Ino>> found;
  for (const std::size_t place : places_) {
    const RestTree::Node* const dir = tree.find(layout_.ino(place));
    if (dir == nullptr) continue;
    for (const auto& [name, entry] : dir->entries) found[name].push_back(entry);
  }
  for (const std::size_t token : tokens_) {
    const std::string& name = layout_.name(token);
    const std::vector<Ino>& places = found[name];
    if (places.size() != 1) {
      fail(fmt::format("{} is in {} places, as node{} reads it", name, places.size(),
                       tree.reader));
    } else if (places.front() != layout_.ino(token)) {
      fail(fmt::format("{} is inode {} instead of {}", name, places.front().value,
                       layout_.ino(token).value));
    }
  }
}

}  // namespace scoutfs::sim
