#include "sim/workloads/random_posix.hpp"

#include <algorithm>

namespace scoutfs::sim {

OpKind RandomPosix::draw_kind() {
  std::uint64_t sum = 0;
  for (const std::uint32_t weight : plan_.weights) sum += weight;
  std::uint64_t at = draws_.below(sum);
  for (std::size_t i = 0; i < kOpKinds; ++i) {
    if (at < plan_.weights[i]) return static_cast<OpKind>(i);
    at -= plan_.weights[i];
  }
  return OpKind::getattr;
}

std::string RandomPosix::draw_name() {
  if (draws_.chance(1, 200)) return std::string(draws_.between(254, 257), 'n');
  return std::string(1, static_cast<char>('a' + draws_.below(plan_.names)));
}

Ino RandomPosix::draw_directory() {
  if (draws_.chance(1, 3)) return kRootIno;
  // Now and then something that is no directory.
  if (!files_.empty() && draws_.chance(1, 60)) return draws_.pick(files_);
  return draws_.pick(directories_);
}

Ino RandomPosix::draw_file(const Handles& handles) {
  if (!handles.empty() && draws_.chance(1, 2)) return draws_.pick(handles).ino;
  return files_.empty() ? Ino{} : draws_.pick(files_);
}

std::string RandomPosix::draw_data(std::uint64_t size_max) {
  const std::uint64_t size = draws_.between(1, size_max);
  return stamped_data(size, draws_.next());
}

void RandomPosix::draw_create(Operation& op) {
  op.ino = draw_directory();
  op.name = draw_name();
  op.uid = op.gid = draws_.chance(1, 4) ? 1000 : 0;
  const std::uint64_t what = op.kind == OpKind::create_open ? 0 : draws_.below(20);
  const std::uint32_t permissions = draws_.chance(1, 2) ? 0644 : 0755;
  if (what < 12) {
    op.mode = format::kTypeRegular | permissions;
  } else if (what < 16) {
    op.mode = format::kTypeDirectory | permissions;
    if (draws_.chance(1, 8)) op.mode |= 02000;
  } else if (what < 19) {
    op.mode = format::kTypeSymlink | 0777;
    op.name2 = std::string(draws_.log_between(1, 300), 't');
  } else {
    op.mode = format::kTypeFifo | permissions;
  }
}

void RandomPosix::draw_name_operation(Operation& op, const Handles& handles) {
  op.ino = draw_directory();
  op.name = draw_name();
  if (op.kind == OpKind::readdir) {
    op.name.clear();
    const bool paged = draws_.chance(1, 3);
    op.offset = paged ? draws_.below(12) : 0;
    op.length = paged ? draws_.between(1, 4) : 1000;
  }
  if (op.kind == OpKind::rename) {
    op.other = draws_.chance(1, 2) ? op.ino : draw_directory();
    op.name2 = draw_name();
    if (draws_.chance(1, 4)) op.rename_flags = fs::RenameFlags::no_replace;
  }
  if (op.kind == OpKind::link) {
    op.other = op.ino;
    op.ino = draws_.chance(1, 30) ? draw_directory() : draw_file(handles);
  }
}

void RandomPosix::draw_data_operation(Operation& op, const Handles& handles) {
  op.ino = draw_file(handles);
  op.offset = draws_.below(plan_.file_bytes);
  // Block borders are where the mistakes are.
  if (draws_.chance(1, 3)) op.offset -= op.offset % kBlockSize;
  switch (op.kind) {
    case OpKind::write:
    case OpKind::append:
      op.data = draw_data(plan_.write_bytes);
      if (op.kind == OpKind::append) op.offset = 0;
      break;
    case OpKind::truncate:
      op.length = draws_.chance(1, 4) ? 0 : op.offset;
      op.offset = 0;
      break;
    case OpKind::read:
      if (draws_.chance(1, 2)) op.offset = 0;
      [[fallthrough]];
    default:
      op.length = draws_.between(1, plan_.file_bytes);
      break;
  }
  op.keep_size = draws_.chance(1, 2);
  op.publish = draws_.chance(1, 2);
  op.seek = draws_.chance(1, 2) ? fs::Seek::data : fs::Seek::hole;
}

void RandomPosix::draw_xattr_operation(Operation& op, const Handles& handles) {
  op.ino = draws_.chance(1, 4) ? draw_directory() : draw_file(handles);
  if (op.kind == OpKind::list_xattrs) return;
  op.name = draws_.chance(1, 5) ? "trusted.t" : draws_.chance(1, 2) ? "user.a" : "user.b";
  if (draws_.chance(1, 60)) op.name = "unknown.u";
  if (op.kind != OpKind::set_xattr) return;
  op.data = draws_.chance(1, 10) ? "" : draw_data(plan_.value_bytes);
  const std::uint64_t how = draws_.below(6);
  if (how == 0) op.how = fs::SetXattr::create_only;
  if (how == 1) op.how = fs::SetXattr::replace_only;
}

Operation RandomPosix::draw(const Caller& caller, const Handles& handles) {
  static_cast<void>(caller);
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
      op.ino = others_.empty() ? draw_directory() : draws_.pick(others_);
      break;
    case OpKind::open:
      op.ino = draws_.chance(1, 6) ? draw_directory() : draw_file(handles);
      break;
    case OpKind::set_mode:
    case OpKind::getattr:
      op.ino = draws_.chance(1, 3) ? draw_directory() : draw_file(handles);
      if (op.kind == OpKind::set_mode) op.mode = draws_.chance(1, 2) ? 0600 : 0751;
      break;
    case OpKind::ino_path:
      op.ino = draws_.chance(1, 3) ? draw_directory() : draw_file(handles);
      if (draws_.chance(1, 3)) {
        op.other = draw_directory();
        op.offset = draws_.between(format::kFirstPosition, format::kFirstPosition + 10);
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

void RandomPosix::remember(std::vector<Ino>& list, std::size_t max, Ino ino) {
  if (std::ranges::find(list, ino) != list.end()) return;
  list.push_back(ino);
  // The root, in front of the directories, stays.
  if (list.size() > max) list.erase(list.begin() + (list.front() == kRootIno ? 1 : 0));
}

void RandomPosix::learn(const WorkloadCall& call, const Outcome& outcome) {
  if (!found_by(call.op, outcome)) return;
  const fs::Attributes& attributes = *outcome.attributes;
  if (attributes.inode.is_directory()) {
    remember(directories_, kDirectoriesMax, attributes.ino);
  } else if (attributes.inode.is_regular()) {
    remember(files_, kFilesMax, attributes.ino);
  } else {
    remember(others_, kFilesMax, attributes.ino);
  }
}

}  // namespace scoutfs::sim
