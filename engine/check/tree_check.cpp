#include "engine/check/tree_check.hpp"

#include <algorithm>

#include "engine/check/print.hpp"

namespace scoutfs::check {

using format::ItemType;
using format::Zone;

void TreeCheck::add(std::string_view key, std::string_view value) {
  ++report_.items;
  const Result<format::ParsedKey> parsed = format::parse_key(key);
  if (!parsed.has_value()) {
    problems_.add("item-key", "{}", print_item(key, value));
    return;
  }
  last_ino_ = std::max(last_ino_, parsed->ino);
  last_seq_ = std::max(last_seq_, parsed->seq);
  if (!parsed->ino) problems_.add("item-key", "of inode 0: {}", print_item(key, value));
  if (add_parsed(*parsed, value)) return;
  problems_.add("item-value", "{}", print_item(key, value));
}

bool TreeCheck::add_parsed(const format::ParsedKey& key, std::string_view value) {
  switch (key.zone) {
    case Zone::index:
      references_.index(kIndexEntry, key.index_type, key.seq, key.ino);
      return value.empty();
    case Zone::orphan:
      orphans_.push_back(key.ino);
      ++report_.orphans;
      return value.empty();
    case Zone::fs:
      if (key.ino != ino_) {
        end_inode();
        begin_inode(key.ino);
      }
      if (key.type == ItemType::inode && key.ino == kRootIno) root_seen_ = true;
      return inode_.add(key, value);
  }
  return false;
}

void TreeCheck::pass_orphans(Ino until) {
  for (; orphan_at_ < orphans_.size() && orphans_[orphan_at_] < until; ++orphan_at_) {
    problems_.add("orphan-no-inode", "inode {} is an orphan and does not exist",
                  orphans_[orphan_at_].value);
  }
}

void TreeCheck::begin_inode(Ino ino) {
  ino_ = ino;
  pass_orphans(ino);
  const bool orphan = orphan_at_ < orphans_.size() && orphans_[orphan_at_] == ino;
  if (orphan) ++orphan_at_;
  inode_.begin(ino, orphan);
}

void TreeCheck::end_inode() {
  if (ino_) inode_.end();
}

void TreeCheck::finish(const format::Counters& counters) {
  end_inode();
  pass_orphans(Ino{~std::uint64_t{0}});
  if (!root_seen_) problems_.add("root", "the root's inode does not exist");
  directories_.finish(problems_);
  last_seq_ = std::max(last_seq_, inode_.last_seq());
  if (last_ino_ >= counters.next_ino) {
    problems_.add("counter-ino", "inode {} exists, the next is {}", last_ino_.value,
                  counters.next_ino.value);
  }
  if (last_seq_ >= counters.next_seq) {
    problems_.add("counter-seq", "seq {} is used, the next is {}", last_seq_.value,
                  counters.next_seq.value);
  }
}

void add_exact(ExactReferences& references, std::string_view key, std::string_view value) {
  const Result<format::ParsedKey> parsed = format::parse_key(key);
  if (!parsed.has_value()) return;
  if (parsed->zone == Zone::index) {
    references.index(kIndexEntry, parsed->index_type, parsed->seq, parsed->ino);
  }
  if (parsed->zone != Zone::fs) return;
  if (parsed->type == ItemType::inode) {
    const Result<format::Inode> inode = format::decode_inode(value);
    if (!inode.has_value()) return;
    references.index(kIndexedInode, format::IndexType::meta_seq, inode->meta_seq, parsed->ino);
    if (!inode->is_regular()) return;
    references.index(kIndexedInode, format::IndexType::data_seq, inode->data_seq, parsed->ino);
    return;
  }
  const Result<format::Dirent> dirent = format::decode_dirent(value);
  if (!dirent.has_value()) return;
  if (parsed->type == ItemType::dirent) {
    references.name(kDirent, parsed->ino, dirent->position, dirent->ino, value);
  } else if (parsed->type == ItemType::readdir) {
    references.name(kReaddir, parsed->ino, dirent->position, dirent->ino, value);
  } else if (parsed->type == ItemType::backref) {
    references.name(kBackref, parsed->dir, dirent->position, dirent->ino, value);
  }
}

}  // namespace scoutfs::check
