// Changes of an inode item and of the index items that follow it.
//
// An inode's first change in a transaction moves its place in the change index to the
// transaction's seq; the index never disagrees with the inode.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "engine/client/store.hpp"
#include "engine/format/inode.hpp"
#include "engine/format/keys.hpp"

namespace scoutfs::fs {

// What changed: attributes and names only, or the contents or size of a regular file as well.
enum class Touch : std::uint8_t { meta, data };

inline constexpr std::uint64_t kIndexKeyBytes = 18;
inline constexpr std::uint64_t kInodeKeyBytes = 10;
inline constexpr std::uint64_t kNumberedKeyBytes = 18;  // readdir, extent, checksum
inline constexpr std::uint64_t kOrphanKeyBytes = 9;
// Bounds of the item bytes that each function below needs in a Reservation.
inline constexpr std::uint64_t kPutInodeBytes =
    kInodeKeyBytes + format::Inode::kSize + 4 * kIndexKeyBytes;
inline constexpr std::uint64_t kEraseInodeBytes =
    kInodeKeyBytes + 2 * kIndexKeyBytes + kOrphanKeyBytes;
// The three items of a directory entry, put or erased.
constexpr std::uint64_t entry_bytes(std::size_t name_size) {
  return 10 + kNumberedKeyBytes + 26 + 4 * name_size + 3 * 20;
}

// Sets the seqs of `inode` and puts its item and index items.
void put_inode(client::Txn& txn, Ino ino, format::Inode& inode, Touch touch);
// Puts a new inode with its first index items.
void put_new_inode(client::Txn& txn, Ino ino, format::Inode& inode);
// Puts the item alone: for what does not count as a change (access times).
void put_inode_quietly(client::Txn& txn, Ino ino, const format::Inode& inode);
// Erases the inode item, its index items and its orphan item.
void erase_inode(client::Txn& txn, Ino ino, const format::Inode& inode);

// Puts or erases the three items of a directory entry.
void put_entry(client::Txn& txn, Ino dir, const format::Dirent& entry);
void erase_entry(client::Txn& txn, Ino dir, const format::Dirent& entry);

// Reservation::not_below for these inodes. A seq equal to the stored one means that the open
// transaction has moved it already, which is fine.
inline Seq not_below(std::initializer_list<const format::Inode*> inodes) {
  Seq largest;
  for (const format::Inode* inode : inodes) {
    if (inode != nullptr) largest = std::max({largest, inode->meta_seq, inode->data_seq});
  }
  return largest;
}

}  // namespace scoutfs::fs
