#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

Result<void> check_name(std::string_view name) {
  if (name.empty()) return fail(Errc::invalid);
  if (name == "." || name == "..") return fail(Errc::invalid);
  if (name.size() > format::kNameMax) return fail(Errc::name_too_long);
  if (name.find('/') != std::string_view::npos) return fail(Errc::invalid);
  if (name.find('\0') != std::string_view::npos) return fail(Errc::invalid);
  return {};
}

FileSystem::Impl::Impl(client::Store& store, Options options)
    : store_(store),
      options_(options),
      inodes_(store.env().scheduler),
      pools_(store),
      rename_mutex_(store.env().scheduler),
      stop_request_(store.env().scheduler),
      thawed_(store.env().scheduler),
      scope_(store.env().scheduler) {}

void FileSystem::Impl::start() {
  store_.set_on_last_close([this](Ino ino) { delete_later(ino); });
  scope_.spawn(scan_orphans());
}

Task<void> FileSystem::Impl::stop() {
  stopping_ = true;
  store_.set_on_last_close(nullptr);
  stop_request_.request();
  thawed_.wake_all();
  co_await scope_.drain();
}

Timespec FileSystem::Impl::now() const {
  const TimeNs wall = store_.env().clock.wall_ns();
  return {static_cast<std::int64_t>(wall / kSecond),
          static_cast<std::uint32_t>(wall % kSecond)};
}

Task<Result<std::optional<Inode>>> FileSystem::Impl::find_inode(const client::Locks& locks,
                                                                Ino ino) {
  const std::string key = format::inode_key(ino);
  SCOUTFS_CO_TRY(const lsm::Entry value, co_await store_.get(locks, key));
  if (!value.has_value()) co_return std::optional<Inode>();
  SCOUTFS_CO_TRY(const Inode inode, format::decode_inode(*value));
  co_return std::optional<Inode>(inode);
}

Task<Result<Inode>> FileSystem::Impl::live_directory(const Context& context,
                                                     const client::Locks& locks, Ino ino) {
  SCOUTFS_CO_TRY(const std::optional<Inode> inode, co_await find_inode(locks, ino));
  if (!inode.has_value()) co_return refuse(context, Errc::not_found);
  if (!inode->is_directory()) co_return refuse(context, Errc::not_directory);
  // A removed directory that is still open has no entries and takes none.
  if (inode->nlink == 0) co_return refuse(context, Errc::not_found);
  co_return *inode;
}

Task<Result<Inode>> FileSystem::Impl::target_inode(const client::Locks& locks, Ino ino) {
  SCOUTFS_CO_TRY(const std::optional<Inode> inode, co_await find_inode(locks, ino));
  if (!inode.has_value()) co_return fail(Errc::corrupt);
  if (inode->nlink == 0) co_return fail(Errc::corrupt);
  co_return *inode;
}

Task<Result<std::optional<format::Dirent>>> FileSystem::Impl::find_entry(
    const client::Locks& locks, Ino dir, std::string_view name) {
  const std::string key = format::dirent_key(dir, name);
  SCOUTFS_CO_TRY(const lsm::Entry value, co_await store_.get(locks, key));
  if (!value.has_value()) co_return std::optional<format::Dirent>();
  SCOUTFS_CO_TRY(format::Dirent entry, format::decode_dirent(*value));
  if (entry.name != name) co_return fail(Errc::corrupt);
  co_return std::optional<format::Dirent>(std::move(entry));
}

Task<Result<Inode>> FileSystem::Impl::hold_inode(const Context& context, Hold& hold, Ino ino,
                                                 lock::Mode mode) {
  for (;;) {
    hold.want(ino, mode, context.caller);
    SCOUTFS_CO_CHECK(co_await hold.acquire(context.cancellation));
    SCOUTFS_CO_TRY(const std::optional<Inode> inode, co_await find_inode(hold.locks(), ino));
    if (!inode.has_value()) co_return refuse(context, Errc::not_found);
    if (inode->nlink != 0 || store_.is_open(ino)) co_return *inode;
    if (mode == lock::Mode::write) {
      if (store_.is_open_elsewhere(hold.locks(), ino)) co_return *inode;
      co_return refuse(context, Errc::not_found);
    }
    // Who else has it open is known only to who has the write lock.
    hold.release();
    mode = lock::Mode::write;
  }
}

void FileSystem::Impl::check_invariants() const {
  SCOUTFS_ASSERT(pools_.size() <= InoPools::kPoolsMax);
  SCOUTFS_ASSERT(to_delete_.size() <= deleting_.size());
  for (const Ino ino : unlinked_open_) SCOUTFS_ASSERT(store_.is_open(ino));
}

// --- the public face ---

FileSystem::FileSystem(client::Store& store, Options options)
    : impl_(std::make_unique<Impl>(store, options)) {}
FileSystem::~FileSystem() = default;
[[clang::coro_wrapper]] Task<void> FileSystem::stop() {
  return impl_->stop();
}
void FileSystem::start() {
  impl_->start();
}

[[clang::coro_wrapper]] Task<Result<Attributes>> FileSystem::lookup(Context context, Ino dir,
                                                                    std::string name) {
  return impl_->answered(context, impl_->lookup(context, dir, std::move(name)));
}
[[clang::coro_wrapper]] Task<Result<Attributes>> FileSystem::getattr(Context context, Ino ino) {
  return impl_->answered(context, impl_->getattr(context, ino));
}
[[clang::coro_wrapper]] Task<Result<Attributes>> FileSystem::setattr(Context context, Ino ino,
                                                                     SetAttributes changes) {
  return impl_->answered(context, impl_->setattr(context, ino, changes));
}
[[clang::coro_wrapper]] Task<Result<Attributes>> FileSystem::create(Context context, Ino dir,
                                                                    std::string name,
                                                                    NewNode node) {
  return impl_->answered(
      context, impl_->create(context, dir, std::move(name), std::move(node), Impl::Open::no));
}
[[clang::coro_wrapper]] Task<Result<void>> FileSystem::unlink(Context context, Ino dir,
                                                              std::string name) {
  return impl_->answered(context,
                         impl_->remove(context, dir, std::move(name), Impl::Victim::other));
}
[[clang::coro_wrapper]] Task<Result<void>> FileSystem::rmdir(Context context, Ino dir,
                                                             std::string name) {
  return impl_->answered(context,
                         impl_->remove(context, dir, std::move(name), Impl::Victim::directory));
}
[[clang::coro_wrapper]] Task<Result<void>> FileSystem::rename(Context context, Ino from_dir,
                                                              std::string from, Ino to_dir,
                                                              std::string to,
                                                              RenameFlags flags) {
  return impl_->answered(
      context, impl_->rename(context, from_dir, std::move(from), to_dir, std::move(to), flags));
}
[[clang::coro_wrapper]] Task<Result<Attributes>> FileSystem::link(Context context, Ino ino,
                                                                  Ino dir, std::string name) {
  return impl_->answered(context, impl_->link(context, ino, dir, std::move(name)));
}
[[clang::coro_wrapper]] Task<Result<std::string>> FileSystem::readlink(Context context,
                                                                       Ino ino) {
  return impl_->answered(context, impl_->readlink(context, ino));
}
[[clang::coro_wrapper]] Task<Result<std::vector<DirectoryEntry>>> FileSystem::readdir(
    Context context, Ino dir, std::uint64_t position, std::size_t limit) {
  return impl_->answered(context, impl_->readdir(context, dir, position, limit));
}
[[clang::coro_wrapper]] Task<Result<Attributes>> FileSystem::open(Context context, Ino ino) {
  return impl_->answered(context, impl_->open(context, ino));
}
[[clang::coro_wrapper]] Task<Result<Attributes>> FileSystem::create_open(Context context,
                                                                         Ino dir,
                                                                         std::string name,
                                                                         NewNode node) {
  return impl_->answered(
      context, impl_->create(context, dir, std::move(name), std::move(node), Impl::Open::yes));
}
void FileSystem::close(Ino ino) {
  impl_->close(ino);
}
[[clang::coro_wrapper]] Task<Result<std::size_t>> FileSystem::read(Context context, Ino ino,
                                                                   std::uint64_t offset,
                                                                   std::span<std::byte> out) {
  return impl_->answered(context, impl_->read(context, ino, offset, out));
}
[[clang::coro_wrapper]] Task<Result<std::uint64_t>> FileSystem::write(
    Context context, Ino ino, std::optional<std::uint64_t> offset, std::string data) {
  return impl_->answered(context, impl_->write(context, ino, offset, std::move(data)));
}
[[clang::coro_wrapper]] Task<Result<void>> FileSystem::fallocate(Context context, Ino ino,
                                                                 FallocateMode mode,
                                                                 std::uint64_t offset,
                                                                 std::uint64_t length) {
  return impl_->answered(context, impl_->fallocate(context, ino, mode, offset, length));
}
[[clang::coro_wrapper]] Task<Result<std::uint64_t>> FileSystem::seek(Context context, Ino ino,
                                                                     std::uint64_t offset,
                                                                     Seek what) {
  return impl_->answered(context, impl_->seek(context, ino, offset, what));
}
[[clang::coro_wrapper]] Task<Result<void>> FileSystem::sync(Context context) {
  return impl_->answered(context, impl_->sync(context));
}
[[clang::coro_wrapper]] Task<Result<void>> FileSystem::publish(Context context) {
  return impl_->answered(context, impl_->publish(context));
}
[[clang::coro_wrapper]] Task<Result<void>> FileSystem::set_xattr(Context context, Ino ino,
                                                                 std::string name,
                                                                 std::string value,
                                                                 SetXattr how) {
  return impl_->answered(
      context, impl_->set_xattr(context, ino, std::move(name), std::move(value), how));
}
[[clang::coro_wrapper]] Task<Result<std::string>> FileSystem::get_xattr(Context context,
                                                                        Ino ino,
                                                                        std::string name) {
  return impl_->answered(context, impl_->get_xattr(context, ino, std::move(name)));
}
[[clang::coro_wrapper]] Task<Result<std::vector<std::string>>> FileSystem::list_xattrs(
    Context context, Ino ino) {
  return impl_->answered(context, impl_->list_xattrs(context, ino));
}
[[clang::coro_wrapper]] Task<Result<void>> FileSystem::remove_xattr(Context context, Ino ino,
                                                                    std::string name) {
  return impl_->answered(context, impl_->remove_xattr(context, ino, std::move(name)));
}
[[clang::coro_wrapper]] Task<Result<StatFs>> FileSystem::statfs(Context context) {
  return impl_->answered(context, impl_->statfs(context));
}
[[clang::coro_wrapper]] Task<Result<IndexPage>> FileSystem::walk_inodes(
    Context context, format::IndexType index, IndexEntry first, IndexEntry last,
    std::size_t limit, client::Store::Wait wait) {
  return impl_->answered(context, impl_->walk_inodes(context, index, first, last, limit, wait));
}
[[clang::coro_wrapper]] Task<Result<FileSystem::Path>> FileSystem::ino_path(
    Context context, Ino ino, Ino after_dir, std::uint64_t after_position) {
  return impl_->answered(context, impl_->ino_path(context, ino, after_dir, after_position));
}
void FileSystem::check_invariants() const {
  impl_->check_invariants();
}

}  // namespace scoutfs::fs
