#include "engine/fs/inode_change.hpp"

namespace scoutfs::fs {

using format::IndexType;
using format::Inode;

namespace {

void move_index(client::Txn& txn, IndexType type, Ino ino, Seq& stored, Seq seq) {
  SCOUTFS_ASSERT(stored <= seq);
  if (stored == seq) return;
  if (stored.value != 0) txn.erase(format::index_key(type, stored, ino));
  txn.put(format::index_key(type, seq, ino), std::string());
  stored = seq;
}

}  // namespace

void put_inode(client::Txn& txn, Ino ino, Inode& inode, Touch touch) {
  const Seq seq = txn.seq();
  move_index(txn, IndexType::meta_seq, ino, inode.meta_seq, seq);
  if (touch == Touch::data && inode.is_regular()) {
    move_index(txn, IndexType::data_seq, ino, inode.data_seq, seq);
  }
  put_inode_quietly(txn, ino, inode);
}

void put_new_inode(client::Txn& txn, Ino ino, Inode& inode) {
  SCOUTFS_ASSERT(inode.meta_seq.value == 0);
  SCOUTFS_ASSERT(inode.data_seq.value == 0);
  put_inode(txn, ino, inode, Touch::data);
}

void put_inode_quietly(client::Txn& txn, Ino ino, const Inode& inode) {
  txn.put(format::inode_key(ino), format::encode(inode));
}

void erase_inode(client::Txn& txn, Ino ino, const Inode& inode) {
  txn.erase(format::inode_key(ino));
  txn.erase(format::index_key(IndexType::meta_seq, inode.meta_seq, ino));
  if (inode.data_seq.value != 0) {
    txn.erase(format::index_key(IndexType::data_seq, inode.data_seq, ino));
  }
  txn.erase(format::orphan_key(ino));
}

void put_entry(client::Txn& txn, Ino dir, const format::Dirent& entry) {
  std::string value = format::encode(entry);
  txn.put(format::dirent_key(dir, entry.name), value);
  txn.put(format::readdir_key(dir, entry.position), value);
  txn.put(format::backref_key(entry.ino, dir, entry.position), std::move(value));
}

void erase_entry(client::Txn& txn, Ino dir, const format::Dirent& entry) {
  txn.erase(format::dirent_key(dir, entry.name));
  txn.erase(format::readdir_key(dir, entry.position));
  txn.erase(format::backref_key(entry.ino, dir, entry.position));
}

}  // namespace scoutfs::fs
