#include "engine/check/references.hpp"

#include <algorithm>

namespace scoutfs::check {

bool Digest::zero() const {
  return std::ranges::all_of(sums_, [](const Hash128& sum) { return sum == Hash128{}; });
}

void References::name(std::uint8_t kind, Ino dir, std::string_view value) {
  const Hash128 hash = name_hash(dir, value);
  if (kind == kDirent) {
    readdirs_.add(hash);
    backrefs_.add(hash);
  } else if (kind == kReaddir) {
    readdirs_.remove(hash);
  } else {
    backrefs_.remove(hash);
  }
}

void References::index(std::uint8_t kind, format::IndexType type, Seq seq, Ino ino) {
  const Hash128 hash = index_hash(type, seq, ino);
  if (kind == kIndexEntry) {
    index_.add(hash);
  } else {
    index_.remove(hash);
  }
}

void ExactReferences::name(std::uint8_t kind, Ino dir, std::uint64_t position, Ino ino,
                           std::string_view value) {
  const Hash128 hash = name_hash(dir, value);
  if (!digests_.suspect_name(hash)) return;
  names_.push_back({dir.value, position, hash.low, ino.value, kind});
}

void ExactReferences::index(std::uint8_t kind, format::IndexType type, Seq seq, Ino ino) {
  if (!digests_.suspect_index(index_hash(type, seq, ino))) return;
  index_.push_back({static_cast<std::uint64_t>(type), ino.value, seq.value, ino.value, kind});
}

// All entries of one directory and position.
void ExactReferences::report_name(Problems& problems, std::size_t begin, std::size_t end) {
  const Entry& first = names_[begin];
  const auto same_value = [&](const Entry& entry) {
    return entry.hash == first.hash && entry.ino == first.ino;
  };
  const auto group = std::span(names_).subspan(begin, end - begin);
  if (!std::ranges::all_of(group, same_value)) {
    problems.add("dirent-differs",
                 "directory {}, position {}: its items by name, by position and at the target "
                 "differ",
                 first.a, first.b);
    return;
  }
  std::uint8_t kinds = 0;
  for (const Entry& entry : group) kinds = static_cast<std::uint8_t>(kinds | entry.kind);
  const struct {
    std::uint8_t kind;
    std::string_view problem;
    std::string_view what;
  } items[] = {{kDirent, "dirent-missing", "by name"},
               {kReaddir, "readdir-missing", "by position"},
               {kBackref, "backref-missing", "at the target"}};
  for (const auto& item : items) {
    if ((kinds & item.kind) != 0) continue;
    problems.add(item.problem, "directory {}, position {}, target inode {}: no item {}",
                 first.a, first.b, first.ino, item.what);
  }
}

// All entries of one type and inode.
void ExactReferences::report_index(Problems& problems, std::size_t begin, std::size_t end) {
  for (std::size_t at = begin; at < end;) {
    std::uint8_t kinds = 0;
    const Entry& entry = index_[at];
    for (; at < end && index_[at].hash == entry.hash; ++at) {
      kinds = static_cast<std::uint8_t>(kinds | index_[at].kind);
    }
    if (kinds == (kIndexEntry | kIndexedInode)) continue;
    const std::string_view type =
        entry.a == static_cast<std::uint64_t>(format::IndexType::meta_seq) ? "meta_seq"
                                                                           : "data_seq";
    if (kinds == kIndexedInode) {
      problems.add("index-missing", "inode {} has {} {}, and the index has no such entry",
                   entry.ino, type, entry.hash);
    } else {
      problems.add("index-extra", "the index has {} {} of inode {}, which does not", type,
                   entry.hash, entry.ino);
    }
  }
}

void ExactReferences::report(Problems& problems) {
  for (auto* const entries : {&names_, &index_}) {
    std::ranges::sort(*entries);
    for (std::size_t begin = 0; begin < entries->size();) {
      std::size_t end = begin;
      while (end < entries->size() && (*entries)[end].a == (*entries)[begin].a &&
             (*entries)[end].b == (*entries)[begin].b) {
        ++end;
      }
      if (entries == &names_) {
        report_name(problems, begin, end);
      } else {
        report_index(problems, begin, end);
      }
      begin = end;
    }
  }
}

}  // namespace scoutfs::check
