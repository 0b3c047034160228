#include <fmt/core.h>

#include "sim/linearize/objects.hpp"

namespace scoutfs::sim {

std::vector<Ino> DirectoryState::touched_by(const Operation& op) {
  switch (op.kind) {
    case OpKind::lookup:
    case OpKind::create:
    case OpKind::create_open:
    case OpKind::unlink:
    case OpKind::rmdir:
    case OpKind::readdir:
      return {op.ino};
    case OpKind::link:
      return {op.other};
    case OpKind::rename:
      if (op.ino == op.other) return {op.ino};
      return {op.ino, op.other};
    default:
      return {};
  }
}

DirectoryState::Entry& DirectoryState::entry(const std::string& name) {
  return entries_.try_emplace(name, Entry{.state = others_, .ino = {}}).first->second;
}

bool DirectoryState::is_absent(const std::string& name) {
  Entry& known = entry(name);
  if (known.state == Entry::State::present) return false;
  known = {.state = Entry::State::absent, .ino = {}};
  return true;
}

bool DirectoryState::is_present(const std::string& name, Ino ino) {
  Entry& known = entry(name);
  if (known.state == Entry::State::absent) return false;
  if (ino && known.ino && known.ino != ino) return false;
  known = {.state = Entry::State::present, .ino = known.ino ? known.ino : ino};
  return true;
}

bool DirectoryState::apply_create(const HistoryCall& call, Ino made) {
  const std::string& name = call.op.name;
  if (call.outcome.error == Errc::exists) return is_present(name);
  if (call.outcome.error.has_value()) return true;
  if (!is_absent(name)) return false;
  entry(name) = {.state = Entry::State::present, .ino = made};
  return true;
}

bool DirectoryState::apply_rename(const HistoryCall& call) {
  const Operation& op = call.op;
  if (call.outcome.error == Errc::exists) return op.other != ino_ || is_present(op.name2);
  if (call.outcome.error.has_value()) return true;
  if (op.ino == ino_ && !is_present(op.name)) return false;
  if (op.ino != op.other) {
    // What is behind the other name is another object's: of two names of one file the first
    // may stay.
    if (op.ino == ino_) entry(op.name) = {};
    if (op.other == ino_) entry(op.name2) = {.state = Entry::State::present, .ino = {}};
    return true;
  }
  if (op.name == op.name2) return true;
  const Entry from = entry(op.name), to = entry(op.name2);
  if (to.state == Entry::State::absent || (from.ino && to.ino && from.ino != to.ino)) {
    entry(op.name2) = from;
    entry(op.name) = {.state = Entry::State::absent, .ino = {}};
  } else if (!from.ino || !to.ino) {
    entry(op.name) = {};
    entry(op.name2) = {.state = Entry::State::present, .ino = from.ino};
  }
  return true;
}

bool DirectoryState::apply_listing(const HistoryCall& call) {
  if (call.outcome.error.has_value()) return true;
  std::map<std::string, Ino> listed;
  for (const fs::DirectoryEntry& found : call.outcome.entries) {
    if (found.name == "." || found.name == "..") continue;
    if (!is_present(found.name, found.ino)) return false;
    listed[found.name] = found.ino;
  }
  const bool whole = call.op.offset == 0 && call.outcome.entries.size() < call.op.length;
  if (!whole) return true;
  for (auto& [name, known] : entries_) {
    if (listed.contains(name)) continue;
    if (known.state == Entry::State::present) return false;
    known.state = Entry::State::absent;
  }
  others_ = Entry::State::absent;
  return true;
}

bool DirectoryState::apply(const HistoryCall& call) {
  const Operation& op = call.op;
  const std::optional<Errc>& error = call.outcome.error;
  switch (op.kind) {
    case OpKind::lookup:
      if (error == Errc::not_found) return is_absent(op.name);
      if (error.has_value()) return true;
      return is_present(op.name, call.outcome.attributes->ino);
    case OpKind::create:
    case OpKind::create_open:
      return apply_create(call, error.has_value() ? Ino{} : call.outcome.attributes->ino);
    case OpKind::link:
      return apply_create(call, op.ino);
    case OpKind::unlink:
    case OpKind::rmdir:
      if (error == Errc::not_found) return is_absent(op.name);
      if (error.has_value()) return true;
      if (!is_present(op.name)) return false;
      entry(op.name) = {.state = Entry::State::absent, .ino = {}};
      return true;
    case OpKind::rename:
      return apply_rename(call);
    default:
      return apply_listing(call);
  }
}

void DirectoryState::blur(const HistoryCall& call) {
  const Operation& op = call.op;
  if (op.kind == OpKind::lookup || op.kind == OpKind::readdir) return;
  if (op.kind != OpKind::rename || op.ino == ino_) entry(op.name) = {};
  if (op.kind == OpKind::rename && op.other == ino_) entry(op.name2) = {};
}

std::string DirectoryState::key() const {
  std::string key = fmt::format("{}", static_cast<int>(others_));
  for (const auto& [name, known] : entries_) {
    key += fmt::format("/{}={}.{}", name, static_cast<int>(known.state), known.ino.value);
  }
  return key;
}

}  // namespace scoutfs::sim
