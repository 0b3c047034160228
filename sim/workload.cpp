#include "sim/workload.hpp"

#include <algorithm>

namespace scoutfs::sim {

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

bool Workload::take() {
  if (taken_ >= plan_.operations) return false;
  ++taken_;
  return true;
}

OpKind Workload::draw_kind() {
  std::uint64_t sum = 0;
  for (const std::uint32_t weight : plan_.weights) sum += weight;
  std::uint64_t at = random_.below(sum);
  for (std::size_t i = 0; i < kOpKinds; ++i) {
    if (at < plan_.weights[i]) return static_cast<OpKind>(i);
    at -= plan_.weights[i];
  }
  return OpKind::getattr;
}

std::string Workload::draw_name() {
  if (random_.chance(1, 200)) return std::string(random_.between(254, 257), 'n');
  return std::string(1, static_cast<char>('a' + random_.below(plan_.names)));
}

Ino Workload::draw_directory() {
  if (random_.chance(1, 3)) return kRootIno;
  // Now and then something that is no directory.
  if (!files_.empty() && random_.chance(1, 60)) return random_.pick(files_);
  return random_.pick(directories_);
}

Ino Workload::draw_file(const Handles& handles) {
  if (!handles.empty() && random_.chance(1, 2)) return random_.pick(handles).ino;
  return files_.empty() ? Ino{} : random_.pick(files_);
}

std::string Workload::draw_data(std::uint64_t size_max) {
  const std::uint64_t size = random_.between(1, size_max);
  return stamped_data(size, random_.next());
}

void Workload::draw_create(Operation& op) {
  op.ino = draw_directory();
  op.name = draw_name();
  op.uid = op.gid = random_.chance(1, 4) ? 1000 : 0;
  const std::uint64_t what = op.kind == OpKind::create_open ? 0 : random_.below(20);
  const std::uint32_t permissions = random_.chance(1, 2) ? 0644 : 0755;
  if (what < 12) {
    op.mode = format::kTypeRegular | permissions;
  } else if (what < 16) {
    op.mode = format::kTypeDirectory | permissions;
    if (random_.chance(1, 8)) op.mode |= 02000;
  } else if (what < 19) {
    op.mode = format::kTypeSymlink | 0777;
    op.name2 = std::string(random_.log_between(1, 300), 't');
  } else {
    op.mode = format::kTypeFifo | permissions;
  }
}

void Workload::draw_name_operation(Operation& op, const Handles& handles) {
  op.ino = draw_directory();
  op.name = draw_name();
  if (op.kind == OpKind::readdir) {
    op.name.clear();
    const bool paged = random_.chance(1, 3);
    op.offset = paged ? random_.below(12) : 0;
    op.length = paged ? random_.between(1, 4) : 1000;
  }
  if (op.kind == OpKind::rename) {
    op.other = random_.chance(1, 2) ? op.ino : draw_directory();
    op.name2 = draw_name();
    if (random_.chance(1, 4)) op.rename_flags = fs::RenameFlags::no_replace;
  }
  if (op.kind == OpKind::link) {
    op.other = op.ino;
    op.ino = random_.chance(1, 30) ? draw_directory() : draw_file(handles);
  }
}

void Workload::draw_data_operation(Operation& op, const Handles& handles) {
  op.ino = draw_file(handles);
  op.offset = random_.below(plan_.file_bytes);
  // Block borders are where the mistakes are.
  if (random_.chance(1, 3)) op.offset -= op.offset % kBlockSize;
  switch (op.kind) {
    case OpKind::write:
    case OpKind::append:
      op.data = draw_data(plan_.write_bytes);
      if (op.kind == OpKind::append) op.offset = 0;
      break;
    case OpKind::truncate:
      op.length = random_.chance(1, 4) ? 0 : op.offset;
      op.offset = 0;
      break;
    case OpKind::read:
      if (random_.chance(1, 2)) op.offset = 0;
      [[fallthrough]];
    default:
      op.length = random_.between(1, plan_.file_bytes);
      break;
  }
  op.keep_size = random_.chance(1, 2);
  op.publish = random_.chance(1, 2);
  op.seek = random_.chance(1, 2) ? fs::Seek::data : fs::Seek::hole;
}

void Workload::draw_xattr_operation(Operation& op, const Handles& handles) {
  op.ino = random_.chance(1, 4) ? draw_directory() : draw_file(handles);
  if (op.kind == OpKind::list_xattrs) return;
  op.name = random_.chance(1, 5) ? "trusted.t" : random_.chance(1, 2) ? "user.a" : "user.b";
  if (random_.chance(1, 60)) op.name = "unknown.u";
  if (op.kind != OpKind::set_xattr) return;
  op.data = random_.chance(1, 10) ? "" : draw_data(plan_.value_bytes);
  const std::uint64_t how = random_.below(6);
  if (how == 0) op.how = fs::SetXattr::create_only;
  if (how == 1) op.how = fs::SetXattr::replace_only;
}

Operation Workload::draw(const Handles& handles) {
  Operation op;
  op.kind = draw_kind();
  switch (op.kind) {
    case OpKind::create:
    case OpKind::create_open:
      draw_create(op);
      break;
    case OpKind::lookup:
    case OpKind::unlink:
    case OpKind::rmdir:
    case OpKind::rename:
    case OpKind::readdir:
    case OpKind::link:
      draw_name_operation(op, handles);
      break;
    case OpKind::read:
    case OpKind::write:
    case OpKind::append:
    case OpKind::truncate:
    case OpKind::punch:
    case OpKind::allocate:
    case OpKind::seek:
      draw_data_operation(op, handles);
      break;
    case OpKind::set_xattr:
    case OpKind::get_xattr:
    case OpKind::list_xattrs:
    case OpKind::remove_xattr:
      draw_xattr_operation(op, handles);
      break;
    case OpKind::readlink:
      op.ino = others_.empty() ? draw_directory() : random_.pick(others_);
      break;
    case OpKind::open:
      op.ino = random_.chance(1, 6) ? draw_directory() : draw_file(handles);
      break;
    case OpKind::set_mode:
    case OpKind::getattr:
      op.ino = random_.chance(1, 3) ? draw_directory() : draw_file(handles);
      if (op.kind == OpKind::set_mode) op.mode = random_.chance(1, 2) ? 0600 : 0751;
      break;
    case OpKind::ino_path:
      op.ino = random_.chance(1, 3) ? draw_directory() : draw_file(handles);
      if (random_.chance(1, 3)) {
        op.other = draw_directory();
        op.offset = random_.between(format::kFirstPosition, format::kFirstPosition + 10);
      }
      break;
    case OpKind::statfs:
    case OpKind::sync:
      return op;
  }
  // Nothing is known yet to do it to.
  if (!op.ino) {
    op = {};
    op.kind = OpKind::create;
    draw_create(op);
  }
  return op;
}

void Workload::remember(std::vector<Ino>& list, std::size_t max, Ino ino) {
  if (std::ranges::find(list, ino) != list.end()) return;
  list.push_back(ino);
  // The root, in front of the directories, stays.
  if (list.size() > max) list.erase(list.begin() + (list.front() == kRootIno ? 1 : 0));
}

Ino Workload::learn(const Operation& op, const Outcome& outcome) {
  if (outcome.error.has_value() || !outcome.attributes.has_value()) return {};
  const bool names = op.kind == OpKind::lookup || op.kind == OpKind::create ||
                     op.kind == OpKind::create_open || op.kind == OpKind::link;
  if (!names) return {};
  const fs::Attributes& attributes = *outcome.attributes;
  if (attributes.inode.is_directory()) {
    remember(directories_, kDirectoriesMax, attributes.ino);
  } else if (attributes.inode.is_regular()) {
    remember(files_, kFilesMax, attributes.ino);
  } else {
    remember(others_, kFilesMax, attributes.ino);
  }
  return attributes.ino;
}

// ---- Decided operations ----

std::size_t Workload::position_of(unsigned node, unsigned worker) const {
  const auto found = positions_.find({node, worker});
  std::size_t position = found == positions_.end() ? 0 : found->second;
  const std::vector<DecidedOperation>& all = (*plan_.decided)[node];
  while (position < all.size() && all[position].worker != worker) ++position;
  return position;
}

const DecidedOperation* Workload::next(unsigned node, unsigned worker) const {
  const std::vector<DecidedOperation>& all = (*plan_.decided)[node];
  const std::size_t position = position_of(node, worker);
  return position < all.size() ? &all[position] : nullptr;
}

void Workload::take(unsigned node, unsigned worker) {
  positions_[{node, worker}] = position_of(node, worker) + 1;
  ++taken_;
}

std::optional<Operation> Workload::bound(Operation op) const {
  if (op.kind == OpKind::sync || op.kind == OpKind::statfs) return op;
  // Only some kinds have a second one.
  for (Ino* ino : {&op.ino, &op.other}) {
    if (*ino == kRootIno || (ino == &op.other && !*ino)) continue;
    const auto found = bound_.find(*ino);
    if (found == bound_.end()) return std::nullopt;
    *ino = found->second;
  }
  return op;
}

}  // namespace scoutfs::sim
