#include "sim/model.hpp"

#include <algorithm>

#include "engine/base/codec.hpp"

namespace scoutfs::sim {

namespace {

constexpr std::uint32_t kSetGroupId = 02000;

Expected failing(Errc error) {
  Expected expected;
  expected.errors.push_back(error);
  return expected;
}

bool has_known_namespace(std::string_view name) {
  return name.starts_with("user.") || name.starts_with("trusted.") ||
         name.starts_with("security.");
}

bool needs_content(OpKind kind) {
  switch (kind) {
    case OpKind::read:
    case OpKind::write:
    case OpKind::append:
    case OpKind::truncate:
    case OpKind::punch:
    case OpKind::allocate:
    case OpKind::seek:
      return true;
    default:
      return false;
  }
}

void check_name(std::string_view name, std::vector<Errc>& errors) {
  if (name.size() > format::kNameMax) errors.push_back(Errc::name_too_long);
  if (name.empty() || name.contains('/') || name.contains('\0'))
    errors.push_back(Errc::invalid);
}

}  // namespace

std::int64_t in_ns(const format::Timespec& time) {
  return time.seconds * 1'000'000'000 + time.nanoseconds;
}

std::uint64_t ModelInode::size() const {
  if (is_regular()) return content.size();
  if (!is_directory()) return target.size();
  std::uint64_t sum = 0;
  for (const auto& [position, entry] : entries) sum += entry.name.size();
  return sum;
}

Hash128 Expected::digest() const {
  std::string image;
  Writer out(image);
  for (const Errc error : errors) out.put(static_cast<std::uint8_t>(error));
  out.put_bool(changed);
  out.put(id);
  for (const std::uint32_t value : {mode, uid, gid, nlink, xattr_count}) out.put(value);
  out.put(size);
  out.put(data_version);
  for (const Entry& entry : entries) {
    out.put_string(entry.name);
    out.put(entry.id);
    out.put(entry.position);
  }
  for (const std::string& name : names) out.put_string(name);
  for (const Path& path : paths) {
    out.put(path.dir);
    out.put(path.position);
    out.put_string(path.path);
  }
  out.put_string(bytes);
  out.put(number);
  return hash128(image, 0);
}

Model::Model(std::uint32_t root_mode) {
  ModelInode& root = inodes_[1];
  root.mode = format::kTypeDirectory | root_mode;
  root.nlink = 2;
  root.parent = 1;
}

const ModelInode* Model::find(ModelId id) const {
  const auto found = inodes_.find(id);
  return found == inodes_.end() ? nullptr : &found->second;
}

void Model::learn(ModelId id, Instant ModelInode::* time, Instant was, std::int64_t ns) {
  ModelInode* inode = get(id);
  if (inode != nullptr && inode->*time == was) inode->*time = {ns, ns};
}

void Model::touch(ModelInode& inode, Instant when) {
  inode.mtime = inode.ctime = when;
}

ModelInode* Model::get(ModelId id) {
  const auto found = inodes_.find(id);
  return found == inodes_.end() ? nullptr : &found->second;
}

std::vector<Errc> Model::argument_errors(const Operation& op) {
  std::vector<Errc> errors;
  switch (op.kind) {
    case OpKind::create:
    case OpKind::create_open:
      if (op.name2.size() > 4095) errors.push_back(Errc::name_too_long);
      [[fallthrough]];
    case OpKind::lookup:
    case OpKind::unlink:
    case OpKind::rmdir:
    case OpKind::link:
      check_name(op.name, errors);
      break;
    case OpKind::rename:
      check_name(op.name, errors);
      check_name(op.name2, errors);
      break;
    case OpKind::set_xattr:
    case OpKind::get_xattr:
    case OpKind::remove_xattr:
      if (op.name.size() > 255) errors.push_back(Errc::out_of_range);
      if (op.data.size() > format::kXattrValueMax) errors.push_back(Errc::too_large);
      if (!has_known_namespace(op.name)) errors.push_back(Errc::operation_unknown);
      break;
    case OpKind::punch:
    case OpKind::allocate:
      if (op.length == 0) errors.push_back(Errc::invalid);
      break;
    default:
      break;
  }
  return errors;
}

Expected Model::execute(const Operation& op, ModelIds ids) {
  std::vector<Errc> wrong = argument_errors(op);
  if (!wrong.empty()) {
    Expected expected;
    expected.errors = std::move(wrong);
    expected.errors.push_back(Errc::not_found);
    return expected;
  }
  if (find(ids.inode) == nullptr) {
    Expected expected = failing(Errc::not_found);
    // Which of several reasons is named is open.
    if (op.kind == OpKind::link) expected.errors.push_back(Errc::not_directory);
    return expected;
  }
  if (needs_content(op.kind) && !find(ids.inode)->is_regular()) {
    Expected expected = failing(Errc::invalid);
    if (find(ids.inode)->is_directory()) expected.errors.push_back(Errc::is_directory);
    return expected;
  }
  switch (op.kind) {
    case OpKind::lookup:
      return lookup(ids.inode, op.name);
    case OpKind::getattr:
    case OpKind::open:
      return attributes_of(ids.inode);
    case OpKind::set_mode:
    case OpKind::truncate:
      return set_attributes(op, ids);
    case OpKind::create:
    case OpKind::create_open:
      return create(op, ids);
    case OpKind::unlink:
    case OpKind::rmdir:
      return remove(op, ids);
    case OpKind::rename:
      return rename(op, ids);
    case OpKind::link:
      return link(op, ids);
    case OpKind::readdir:
      return readdir(op, ids.inode);
    case OpKind::read:
      return read(op, ids.inode);
    case OpKind::write:
    case OpKind::append:
      return write(op, ids);
    case OpKind::punch:
    case OpKind::allocate:
      return fallocate(op, ids);
    case OpKind::seek:
      return seek(op, ids.inode);
    case OpKind::set_xattr:
    case OpKind::get_xattr:
    case OpKind::list_xattrs:
    case OpKind::remove_xattr:
      return xattr(op, ids);
    case OpKind::readlink: {
      const ModelInode& inode = *find(ids.inode);
      if (inode.type() != format::kTypeSymlink) return failing(Errc::invalid);
      Expected expected;
      expected.bytes = inode.target;
      return expected;
    }
    case OpKind::ino_path:
      return paths_of(ids.inode);
    case OpKind::statfs:
    case OpKind::sync:
      break;
  }
  return {};
}

std::string Model::prefix_of(ModelId dir) const {
  std::string prefix;
  while (dir != 1) {
    const ModelId above = find(dir)->parent;
    for (const auto& [position, entry] : find(above)->entries) {
      if (entry.id == dir) prefix = entry.name + "/" + prefix;
    }
    dir = above;
  }
  return prefix;
}

Expected Model::paths_of(ModelId id) const {
  Expected expected;
  expected.is_path = true;
  if (id == 1) expected.paths.push_back({.dir = 1, .position = 1, .path = {}});
  for (const auto& [dir, inode] : inodes_) {
    for (const auto& [position, entry] : inode.entries) {
      if (entry.id != id) continue;
      expected.paths.push_back(
          {.dir = dir, .position = position, .path = prefix_of(dir) + entry.name});
    }
  }
  return expected;
}

std::uint64_t Model::blocks_in_use() const {
  std::uint64_t blocks = 0;
  for (const auto& [id, inode] : inodes_) {
    if (inode.nlink == 0) continue;
    for (std::size_t at = 0; at < inode.content.size(); at += kBlockSize) {
      const std::string_view block = std::string_view(inode.content).substr(at, kBlockSize);
      if (block.find_first_not_of('\0') != std::string_view::npos) ++blocks;
    }
  }
  return blocks;
}

Expected Model::attributes_of(ModelId id) const {
  const ModelInode& inode = *find(id);
  Expected expected;
  expected.id = id;
  expected.has_attributes = true;
  expected.mode = inode.mode;
  expected.uid = inode.uid;
  expected.gid = inode.gid;
  expected.nlink = inode.nlink;
  expected.xattr_count = static_cast<std::uint32_t>(inode.xattrs.size());
  expected.size = inode.size();
  expected.data_version = inode.data_version;
  expected.mtime = inode.mtime;
  expected.ctime = inode.ctime;
  return expected;
}

Expected Model::lookup(ModelId dir, const std::string& name) const {
  const ModelInode& inode = *find(dir);
  if (!inode.is_directory()) return failing(Errc::not_directory);
  const auto place = inode.places.find(name);
  if (place == inode.places.end()) return failing(Errc::not_found);
  return attributes_of(inode.entries.at(place->second).id);
}

void Model::add_entry(ModelId dir, const std::string& name, ModelId id) {
  ModelInode& parent = inodes_.at(dir);
  const std::uint64_t position = parent.next_position++;
  parent.entries[position] = {name, id};
  parent.places[name] = position;
  if (!inodes_.at(id).is_directory()) return;
  ++parent.nlink;
  inodes_.at(id).parent = dir;
}

void Model::take_entry_out(ModelId dir, const std::string& name) {
  ModelInode& parent = inodes_.at(dir);
  const auto place = parent.places.find(name);
  const ModelId id = parent.entries.at(place->second).id;
  parent.entries.erase(place->second);
  parent.places.erase(place);
  if (inodes_.at(id).is_directory()) --parent.nlink;
}

void Model::drop_entry(ModelId dir, const std::string& name) {
  const ModelInode& parent = inodes_.at(dir);
  ModelInode& inode = inodes_.at(parent.entries.at(parent.places.at(name)).id);
  take_entry_out(dir, name);
  inode.nlink = inode.is_directory() ? 0 : inode.nlink - 1;
}

Expected Model::create(const Operation& op, ModelIds ids) {
  ModelInode& dir = *get(ids.inode);
  if (!dir.is_directory()) return failing(Errc::not_directory);
  if (dir.nlink == 0) return failing(Errc::not_found);
  if (dir.places.contains(op.name)) return failing(Errc::exists);
  ModelInode inode;
  inode.mode = op.mode;
  inode.uid = op.uid;
  inode.gid = op.gid;
  if ((dir.mode & kSetGroupId) != 0) {
    inode.gid = dir.gid;
    if (inode.is_directory()) inode.mode |= kSetGroupId;
  }
  inode.nlink = inode.is_directory() ? 2 : 1;
  if (inode.type() == format::kTypeSymlink) inode.target = op.name2;
  touch(inode, ids.when);
  touch(dir, ids.when);
  inodes_[ids.created] = std::move(inode);
  add_entry(ids.inode, op.name, ids.created);
  Expected expected = attributes_of(ids.created);
  expected.changed = true;
  return expected;
}

Expected Model::remove(const Operation& op, ModelIds ids) {
  const ModelInode& parent = *find(ids.inode);
  if (!parent.is_directory()) return failing(Errc::not_directory);
  const auto place = parent.places.find(op.name);
  if (place == parent.places.end()) return failing(Errc::not_found);
  const ModelInode& inode = *find(parent.entries.at(place->second).id);
  if (op.kind == OpKind::unlink && inode.is_directory()) return failing(Errc::is_directory);
  if (op.kind == OpKind::rmdir && !inode.is_directory()) return failing(Errc::not_directory);
  if (inode.is_directory() && !inode.entries.empty()) return failing(Errc::not_empty);
  const ModelId removed = parent.entries.at(place->second).id;
  drop_entry(ids.inode, op.name);
  touch(*get(ids.inode), ids.when);
  get(removed)->ctime = ids.when;
  Expected expected;
  expected.changed = true;
  return expected;
}

bool Model::is_within(ModelId id, ModelId ancestor) const {
  while (id != ancestor) {
    if (id == 1) return false;
    id = find(id)->parent;
  }
  return true;
}

Expected Model::rename(const Operation& op, ModelIds ids) {
  Expected expected;
  const ModelInode& from = *find(ids.inode);
  const ModelInode* to = find(ids.other);
  if (to == nullptr) {
    // What it was may still be seen until its deletion has got so far.
    expected.errors = {Errc::not_found, Errc::not_directory};
    return expected;
  }
  if (!from.is_directory() || !to->is_directory())
    expected.errors.push_back(Errc::not_directory);
  const auto place = from.places.find(op.name);
  if (place == from.places.end()) {
    expected.errors.push_back(Errc::not_found);
    // Which of several reasons is named is open.
    if (op.rename_flags == fs::RenameFlags::no_replace && to->places.contains(op.name2)) {
      expected.errors.push_back(Errc::exists);
    }
    return expected;
  }
  if (to->nlink == 0) expected.errors.push_back(Errc::not_found);
  if (!expected.errors.empty()) return expected;
  const ModelId moved_id = from.entries.at(place->second).id;
  const ModelInode& moved = *find(moved_id);
  if (moved.is_directory() && is_within(ids.other, moved_id)) {
    expected.errors.push_back(Errc::invalid);
  }
  const auto target_place = to->places.find(op.name2);
  if (target_place != to->places.end()) {
    const ModelId target_id = to->entries.at(target_place->second).id;
    const ModelInode& target = *find(target_id);
    if (op.rename_flags == fs::RenameFlags::no_replace) expected.errors.push_back(Errc::exists);
    if (expected.errors.empty() && target_id == moved_id) return expected;
    if (moved.is_directory() && !target.is_directory()) {
      expected.errors.push_back(Errc::not_directory);
    }
    if (!moved.is_directory() && target.is_directory()) {
      expected.errors.push_back(Errc::is_directory);
    }
    if (target.is_directory() && !target.entries.empty()) {
      expected.errors.push_back(Errc::not_empty);
    }
    if (!expected.errors.empty()) return expected;
    drop_entry(ids.other, op.name2);
    get(target_id)->ctime = ids.when;
  }
  if (!expected.errors.empty()) return expected;
  take_entry_out(ids.inode, op.name);
  add_entry(ids.other, op.name2, moved_id);
  touch(*get(ids.inode), ids.when);
  touch(*get(ids.other), ids.when);
  get(moved_id)->ctime = ids.when;
  expected.changed = true;
  return expected;
}

Expected Model::link(const Operation& op, ModelIds ids) {
  Expected expected;
  ModelInode& inode = *get(ids.inode);
  const ModelInode* dir = find(ids.other);
  // What is gone may still be seen until its deletion has got so far.
  if (dir == nullptr || dir->nlink == 0) expected.errors.push_back(Errc::not_found);
  if (dir == nullptr || !dir->is_directory()) expected.errors.push_back(Errc::not_directory);
  if (inode.is_directory()) expected.errors.push_back(Errc::not_permitted);
  if (inode.nlink == 0) expected.errors.push_back(Errc::not_found);
  if (dir != nullptr && dir->places.contains(op.name)) expected.errors.push_back(Errc::exists);
  if (!expected.errors.empty()) return expected;
  add_entry(ids.other, op.name, ids.inode);
  ++inode.nlink;
  touch(*get(ids.other), ids.when);
  inode.ctime = ids.when;
  expected = attributes_of(ids.inode);
  expected.changed = true;
  return expected;
}

Expected Model::readdir(const Operation& op, ModelId id) const {
  const ModelInode& dir = *find(id);
  if (!dir.is_directory()) return failing(Errc::not_directory);
  Expected expected;
  const auto add = [&expected, &op](std::string name, ModelId target, std::uint32_t type,
                                    std::uint64_t position) {
    if (position <= op.offset || expected.entries.size() >= op.length) return;
    expected.entries.push_back({std::move(name), target, type, position});
  };
  add(".", id, format::kTypeDirectory, 1);
  add("..", dir.parent, format::kTypeDirectory, 2);
  for (const auto& [position, entry] : dir.entries) {
    add(entry.name, entry.id, find(entry.id)->type(), position + 1);
  }
  return expected;
}

Expected Model::set_attributes(const Operation& op, ModelIds ids) {
  ModelInode& inode = *get(ids.inode);
  inode.ctime = ids.when;
  if (op.kind == OpKind::set_mode) {
    inode.mode = inode.type() | op.mode;
  } else {
    if (inode.content.size() != op.length) ++inode.data_version;
    inode.content.resize(op.length, '\0');
    inode.mtime = ids.when;
  }
  Expected expected = attributes_of(ids.inode);
  expected.changed = true;
  return expected;
}

Expected Model::write(const Operation& op, ModelIds ids) {
  ModelInode& inode = *get(ids.inode);
  touch(inode, ids.when);
  ++inode.data_version;
  Expected expected;
  const std::uint64_t offset = op.kind == OpKind::append ? inode.content.size() : op.offset;
  if (inode.content.size() < offset + op.data.size()) {
    inode.content.resize(offset + op.data.size(), '\0');
  }
  inode.content.replace(offset, op.data.size(), op.data);
  expected.number = offset;
  expected.changed = true;
  return expected;
}

Expected Model::fallocate(const Operation& op, ModelIds ids) {
  ModelInode& inode = *get(ids.inode);
  Expected expected;
  expected.changed = true;
  inode.ctime = ids.when;
  const std::uint64_t end = op.offset + op.length;
  if (op.kind == OpKind::allocate) {
    if (op.keep_size || end <= inode.content.size()) return expected;
    inode.content.resize(end, '\0');
  } else {
    const std::uint64_t stop = std::min<std::uint64_t>(end, inode.content.size());
    for (std::uint64_t at = op.offset; at < stop; ++at) inode.content[at] = '\0';
  }
  inode.mtime = ids.when;
  ++inode.data_version;
  return expected;
}

Expected Model::read(const Operation& op, ModelId id) const {
  const std::string& content = find(id)->content;
  Expected expected;
  if (op.offset < content.size()) expected.bytes = content.substr(op.offset, op.length);
  return expected;
}

Expected Model::seek(const Operation& op, ModelId id) const {
  const std::string& content = find(id)->content;
  if (op.offset >= content.size()) return failing(Errc::no_such_position);
  Expected expected;
  expected.is_seek = true;
  expected.bytes = content.substr(op.offset);
  return expected;
}

Expected Model::xattr(const Operation& op, ModelIds ids) {
  ModelInode& inode = *get(ids.inode);
  std::map<std::string, std::string>& xattrs = inode.xattrs;
  Expected expected;
  if (op.kind == OpKind::list_xattrs) {
    for (const auto& [name, value] : xattrs) expected.names.push_back(name);
    return expected;
  }
  const auto found = xattrs.find(op.name);
  if (op.kind == OpKind::set_xattr) {
    if (op.how == fs::SetXattr::create_only && found != xattrs.end())
      return failing(Errc::exists);
    if (op.how == fs::SetXattr::replace_only && found == xattrs.end()) {
      return failing(Errc::no_attribute);
    }
    expected.changed = true;
    xattrs[op.name] = op.data;
    inode.ctime = ids.when;
    return expected;
  }
  if (found == xattrs.end()) return failing(Errc::no_attribute);
  if (op.kind == OpKind::get_xattr) {
    expected.bytes = found->second;
    return expected;
  }
  xattrs.erase(found);
  inode.ctime = ids.when;
  expected.changed = true;
  return expected;
}

}  // namespace scoutfs::sim
