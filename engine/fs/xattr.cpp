// Extended attributes.
//
// A value is kept in parts of kXattrPart bytes of it; part 0 begins with a byte that counts
// them.
#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

using lock::Mode;

namespace {

constexpr std::size_t kListPage = 64;  // items in one scan
constexpr std::size_t kPartsMax =
    (format::kXattrValueMax + format::kXattrPart - 1) / format::kXattrPart;

Result<void> check_xattr_name(std::string_view name) {
  if (name.size() > format::kNameMax) return fail(Errc::out_of_range);
  if (name.find('\0') != std::string_view::npos) return fail(Errc::invalid);
  for (const std::string_view prefix : {"user.", "trusted.", "security."}) {
    if (!name.starts_with(prefix)) continue;
    if (name.size() == prefix.size()) return fail(Errc::invalid);
    return {};
  }
  return fail(Errc::operation_unknown);
}

std::size_t parts_of(const std::string& value) {
  return value.empty() ? 1 : (value.size() + format::kXattrPart - 1) / format::kXattrPart;
}

void put_parts(client::Txn& txn, Ino ino, std::string_view name, const std::string& value) {
  const std::size_t parts = parts_of(value);
  for (std::size_t part = 0; part < parts; ++part) {
    std::string piece;
    if (part == 0) piece.push_back(static_cast<char>(parts));
    piece.append(value, part * format::kXattrPart, format::kXattrPart);
    txn.put(format::xattr_key(ino, name, static_cast<std::uint8_t>(part)), std::move(piece));
  }
}

}  // namespace

Task<Result<std::optional<FileSystem::Impl::StoredXattr>>> FileSystem::Impl::find_xattr(
    const client::Locks& locks, Ino ino, std::string_view name) {
  std::string key = format::xattr_key(ino, name, 0);
  SCOUTFS_CO_TRY(lsm::Entry first, co_await store_.get(locks, key));
  if (!first.has_value()) co_return std::optional<StoredXattr>();
  if (first->empty()) co_return fail(Errc::corrupt);
  StoredXattr stored;
  stored.parts = static_cast<std::uint8_t>(first->front());
  if (stored.parts == 0 || stored.parts > kPartsMax) co_return fail(Errc::corrupt);
  stored.value = first->substr(1);
  for (std::uint8_t part = 1; part < stored.parts; ++part) {
    if (stored.value.size() != part * format::kXattrPart) co_return fail(Errc::corrupt);
    key = format::xattr_key(ino, name, part);
    SCOUTFS_CO_TRY(const lsm::Entry piece, co_await store_.get(locks, key));
    if (!piece.has_value()) co_return fail(Errc::corrupt);
    stored.value += *piece;
  }
  co_return std::optional<StoredXattr>(std::move(stored));
}

Task<Result<void>> FileSystem::Impl::set_xattr(Context context, Ino ino, std::string name,
                                               std::string value, SetXattr how) {
  if (value.size() > format::kXattrValueMax) co_return fail(Errc::too_large);
  co_return co_await change_xattr(context, ino, std::move(name), std::move(value), how);
}

Task<Result<void>> FileSystem::Impl::remove_xattr(Context context, Ino ino, std::string name) {
  co_return co_await change_xattr(context, ino, std::move(name), std::nullopt,
                                  SetXattr::replace_only);
}

Task<Result<void>> FileSystem::Impl::change_xattr(Context context, Ino ino, std::string name,
                                                  std::optional<std::string> value,
                                                  SetXattr how) {
  SCOUTFS_CO_CHECK(check_xattr_name(name));
  Hold hold(store_, inodes_);
  SCOUTFS_CO_TRY(Inode inode, co_await hold_inode(context, hold, ino, Mode::write));
  SCOUTFS_CO_TRY(const std::optional<StoredXattr> old,
                 co_await find_xattr(hold.locks(), ino, name));
  if (old.has_value() && how == SetXattr::create_only) co_return refuse(context, Errc::exists);
  if (!old.has_value() && how == SetXattr::replace_only) {
    co_return refuse(context, Errc::no_attribute);
  }
  const std::size_t old_parts = old.has_value() ? old->parts : 0;
  const std::size_t new_parts = value.has_value() ? parts_of(*value) : 0;
  client::Reservation reservation;
  reservation.item_bytes = kPutInodeBytes + (old_parts + new_parts) * (name.size() + 12) + 1 +
                           (value.has_value() ? value->size() : 0);
  reservation.not_below = not_below({&inode});
  if (!value.has_value()) reservation.purpose = client::Reservation::Purpose::frees_space;
  SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, context.cancellation));
  if (value.has_value()) put_parts(txn, ino, name, *value);
  for (std::size_t part = new_parts; part < old_parts; ++part) {
    txn.erase(format::xattr_key(ino, name, static_cast<std::uint8_t>(part)));
  }
  if (!old.has_value()) ++inode.xattr_count;
  if (!value.has_value()) --inode.xattr_count;
  inode.ctime = now();
  put_inode(txn, ino, inode, Touch::meta);
  see(context, txn.number());
  co_return Result<void>();
}

Task<Result<std::string>> FileSystem::Impl::get_xattr(Context context, Ino ino,
                                                      std::string name) {
  SCOUTFS_CO_CHECK(check_xattr_name(name));
  Hold hold(store_, inodes_);
  SCOUTFS_CO_CHECK(co_await hold_inode(context, hold, ino, Mode::read));
  SCOUTFS_CO_TRY(std::optional<StoredXattr> stored,
                 co_await find_xattr(hold.locks(), ino, name));
  if (!stored.has_value()) co_return refuse(context, Errc::no_attribute);
  see(context);
  co_return std::move(stored->value);
}

Task<Result<std::vector<std::string>>> FileSystem::Impl::list_xattrs(Context context, Ino ino) {
  std::vector<std::string> names;
  Hold hold(store_, inodes_);
  SCOUTFS_CO_TRY(const Inode inode, co_await hold_inode(context, hold, ino, Mode::read));
  KeyRange range = format::type_range(ino, format::ItemType::xattr);
  bool more = inode.xattr_count > 0;
  while (more) {
    KeyRange page = range;
    SCOUTFS_CO_TRY(const std::vector<lsm::Item> items,
                   co_await store_.scan(hold.locks(), std::move(page), kListPage));
    for (const lsm::Item& item : items) {
      SCOUTFS_CO_TRY(const format::ParsedKey key, format::parse_key(item.key));
      if (key.part == 0) names.emplace_back(key.name);
      range.first = item.key + '\0';
    }
    more = items.size() == kListPage;
  }
  see(context);
  co_return names;
}

}  // namespace scoutfs::fs
