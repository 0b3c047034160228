// How each operation is called on the engine.
#include <utility>

#include "sim/operation.hpp"

namespace scoutfs::sim {

namespace {

template <class T>
Outcome error_of(const Result<T>& result) {
  Outcome outcome;
  if (!result.has_value()) outcome.error = result.error().code;
  return outcome;
}

Outcome outcome_of(Result<void> result) {
  return error_of(result);
}
Outcome outcome_of(Result<fs::Attributes> result) {
  Outcome outcome = error_of(result);
  if (result.has_value()) outcome.attributes = *std::move(result);
  return outcome;
}
Outcome outcome_of(Result<std::string> result) {
  Outcome outcome = error_of(result);
  if (result.has_value()) outcome.bytes = *std::move(result);
  return outcome;
}
Outcome outcome_of(Result<std::uint64_t> result) {
  Outcome outcome = error_of(result);
  if (result.has_value()) outcome.number = *result;
  return outcome;
}
Outcome outcome_of(Result<std::vector<std::string>> result) {
  Outcome outcome = error_of(result);
  if (result.has_value()) outcome.names = *std::move(result);
  return outcome;
}
Outcome outcome_of(Result<std::vector<fs::DirectoryEntry>> result) {
  Outcome outcome = error_of(result);
  if (result.has_value()) outcome.entries = *std::move(result);
  return outcome;
}

Outcome outcome_of(Result<fs::StatFs> result) {
  Outcome outcome = error_of(result);
  if (result.has_value()) outcome.statfs = *result;
  return outcome;
}
Outcome outcome_of(Result<fs::FileSystem::Path> result) {
  Outcome outcome = error_of(result);
  if (result.has_value()) outcome.path = *std::move(result);
  return outcome;
}

fs::NewNode new_node_of(const Operation& op) {
  return {.mode = op.mode, .rdev = 0, .target = op.name2};
}

Task<Outcome> run_set_attributes(fs::FileSystem& filesystem, fs::Context context,
                                 const Operation& op) {
  fs::SetAttributes changes;
  if (op.kind == OpKind::set_mode) changes.mode = op.mode;
  if (op.kind == OpKind::truncate) changes.size = op.length;
  const auto answer = co_await filesystem.setattr(context, op.ino, changes);
  co_return outcome_of(answer);
}

Task<Outcome> run_read(fs::FileSystem& filesystem, fs::Context context, const Operation& op) {
  std::string buffer(op.length, '\0');
  const std::span<std::byte> out = std::as_writable_bytes(std::span(buffer));
  context.caller = client::Caller::page_reader;
  const Result<std::size_t> size = co_await filesystem.read(context, op.ino, op.offset, out);
  Outcome outcome = error_of(size);
  if (size.has_value()) {
    buffer.resize(*size);
    outcome.bytes = std::move(buffer);
  }
  co_return outcome;
}

Task<Outcome> run_name_operation(fs::FileSystem& f, fs::Context context, const Operation& op) {
  switch (op.kind) {
    case OpKind::lookup: {
      const auto answer = co_await f.lookup(context, op.ino, op.name);
      co_return outcome_of(answer);
    }
    case OpKind::create: {
      fs::NewNode node = new_node_of(op);
      const auto answer = co_await f.create(context, op.ino, op.name, std::move(node));
      co_return outcome_of(answer);
    }
    case OpKind::create_open: {
      fs::NewNode node = new_node_of(op);
      const auto answer = co_await f.create_open(context, op.ino, op.name, std::move(node));
      co_return outcome_of(answer);
    }
    case OpKind::unlink: {
      const auto answer = co_await f.unlink(context, op.ino, op.name);
      co_return outcome_of(answer);
    }
    case OpKind::rmdir: {
      const auto answer = co_await f.rmdir(context, op.ino, op.name);
      co_return outcome_of(answer);
    }
    case OpKind::rename: {
      const auto answer =
          co_await f.rename(context, op.ino, op.name, op.other, op.name2, op.rename_flags);
      co_return outcome_of(answer);
    }
    case OpKind::link: {
      const auto answer = co_await f.link(context, op.ino, op.other, op.name);
      co_return outcome_of(answer);
    }
    default:
      break;
  }
  const auto answer =
      co_await f.readdir(context, op.ino, op.offset, static_cast<std::size_t>(op.length));
  co_return outcome_of(answer);
}

Task<Outcome> run_data_operation(fs::FileSystem& f, fs::Context context, const Operation& op) {
  switch (op.kind) {
    case OpKind::read:
      co_return co_await run_read(f, context, op);
    case OpKind::write: {
      const auto answer = co_await f.write(context, op.ino, op.offset, op.data);
      co_return outcome_of(answer);
    }
    case OpKind::append: {
      const auto answer = co_await f.write(context, op.ino, std::nullopt, op.data);
      co_return outcome_of(answer);
    }
    case OpKind::seek: {
      const auto answer = co_await f.seek(context, op.ino, op.offset, op.seek);
      co_return outcome_of(answer);
    }
    default:
      break;
  }
  const bool punch = op.kind == OpKind::punch;
  const fs::FallocateMode mode{.keep_size = punch || op.keep_size, .punch_hole = punch};
  const auto answer = co_await f.fallocate(context, op.ino, mode, op.offset, op.length);
  co_return outcome_of(answer);
}

Task<Outcome> run_xattr_operation(fs::FileSystem& f, fs::Context context, const Operation& op) {
  switch (op.kind) {
    case OpKind::set_xattr: {
      const auto answer = co_await f.set_xattr(context, op.ino, op.name, op.data, op.how);
      co_return outcome_of(answer);
    }
    case OpKind::get_xattr: {
      const auto answer = co_await f.get_xattr(context, op.ino, op.name);
      co_return outcome_of(answer);
    }
    case OpKind::list_xattrs: {
      const auto answer = co_await f.list_xattrs(context, op.ino);
      co_return outcome_of(answer);
    }
    default:
      break;
  }
  const auto answer = co_await f.remove_xattr(context, op.ino, op.name);
  co_return outcome_of(answer);
}

}  // namespace

Task<Outcome> run_operation(fs::FileSystem& filesystem, fs::Context context, Operation op) {
  switch (op.kind) {
    case OpKind::getattr: {
      const auto answer = co_await filesystem.getattr(context, op.ino);
      co_return outcome_of(answer);
    }
    case OpKind::open: {
      const auto answer = co_await filesystem.open(context, op.ino);
      co_return outcome_of(answer);
    }
    case OpKind::readlink: {
      const auto answer = co_await filesystem.readlink(context, op.ino);
      co_return outcome_of(answer);
    }
    case OpKind::sync: {
      auto synced = op.publish ? filesystem.publish(context) : filesystem.sync(context);
      const auto answer = co_await std::move(synced);
      co_return outcome_of(answer);
    }
    case OpKind::statfs: {
      const auto answer = co_await filesystem.statfs(context);
      co_return outcome_of(answer);
    }
    case OpKind::ino_path: {
      const auto answer = co_await filesystem.ino_path(context, op.ino, op.other, op.offset);
      co_return outcome_of(answer);
    }
    case OpKind::set_mode:
    case OpKind::truncate:
      co_return co_await run_set_attributes(filesystem, context, op);
    case OpKind::read:
    case OpKind::write:
    case OpKind::append:
    case OpKind::punch:
    case OpKind::allocate:
    case OpKind::seek:
      co_return co_await run_data_operation(filesystem, context, op);
    case OpKind::set_xattr:
    case OpKind::get_xattr:
    case OpKind::list_xattrs:
    case OpKind::remove_xattr:
      co_return co_await run_xattr_operation(filesystem, context, op);
    default:
      break;
  }
  co_return co_await run_name_operation(filesystem, context, op);
}

}  // namespace scoutfs::sim
