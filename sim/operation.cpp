#include "sim/operation.hpp"

#include <fmt/core.h>

#include <utility>

namespace scoutfs::sim {

std::string_view to_string(OpKind kind) {
  switch (kind) {
    case OpKind::lookup:
      return "lookup";
    case OpKind::getattr:
      return "getattr";
    case OpKind::set_mode:
      return "set_mode";
    case OpKind::truncate:
      return "truncate";
    case OpKind::create:
      return "create";
    case OpKind::create_open:
      return "create_open";
    case OpKind::unlink:
      return "unlink";
    case OpKind::rmdir:
      return "rmdir";
    case OpKind::rename:
      return "rename";
    case OpKind::link:
      return "link";
    case OpKind::readlink:
      return "readlink";
    case OpKind::readdir:
      return "readdir";
    case OpKind::open:
      return "open";
    case OpKind::read:
      return "read";
    case OpKind::write:
      return "write";
    case OpKind::append:
      return "append";
    case OpKind::punch:
      return "punch";
    case OpKind::allocate:
      return "allocate";
    case OpKind::seek:
      return "seek";
    case OpKind::set_xattr:
      return "set_xattr";
    case OpKind::get_xattr:
      return "get_xattr";
    case OpKind::list_xattrs:
      return "list_xattrs";
    case OpKind::remove_xattr:
      return "remove_xattr";
    case OpKind::sync:
      return "sync";
    case OpKind::statfs:
      return "statfs";
    case OpKind::ino_path:
      return "ino_path";
  }
  return "unknown";
}

std::string describe(const Operation& op) {
  std::string text = fmt::format("{}({}", to_string(op.kind), op.ino.value);
  if (op.other) text += fmt::format(" -> {}", op.other.value);
  const auto add_name = [&text](const std::string& name) {
    if (name.empty()) return;
    text += name.size() > 40 ? fmt::format(", {} bytes of name", name.size())
                             : fmt::format(", \"{}\"", name);
  };
  add_name(op.name);
  add_name(op.name2);
  if (!op.data.empty()) text += fmt::format(", {} bytes", op.data.size());
  if (op.offset != 0 || op.length != 0) text += fmt::format(", {}+{}", op.offset, op.length);
  if (op.mode != 0) text += fmt::format(", mode {:o}", op.mode);
  return text + ")";
}

}  // namespace scoutfs::sim
