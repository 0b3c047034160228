// References: items that must come in sets: the three items of a name, an inode and its index.
//
// The members of a set lie far apart in key order, and there may be 10^8 of them, so a first
// pass keeps only digests: the sum of a 128-bit hash over one kind of item, less the sum over
// the other, which is zero exactly (but for a chance of 2^-100) if both kinds hold the same.
// The sums are spread over buckets by hash. If one is not zero, ExactReferences looks at the
// items again and keeps those of the bad buckets, which names the items that are alone.
//
// Memory: 48 KiB; with damage, 40 bytes for each item in a bad bucket (one in 1024 of all for
// each damaged one).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/hash.hpp"
#include "engine/check/problems.hpp"
#include "engine/format/keys.hpp"

namespace scoutfs::check {

// Which items of a set there are.
inline constexpr std::uint8_t kDirent = 1;
inline constexpr std::uint8_t kReaddir = 2;
inline constexpr std::uint8_t kBackref = 4;
inline constexpr std::uint8_t kIndexEntry = 1;
inline constexpr std::uint8_t kIndexedInode = 2;

inline Hash128 name_hash(Ino dir, std::string_view value) {
  return hash128(value, dir.value);
}
inline Hash128 index_hash(format::IndexType type, Seq seq, Ino ino) {
  const std::array<std::uint64_t, 3> fields{static_cast<std::uint64_t>(type), seq.value,
                                            ino.value};
  return hash128({reinterpret_cast<const char*>(fields.data()), sizeof(fields)}, 0);
}

// The difference of two multisets of hashes.
class Digest {
 public:
  static constexpr std::size_t kBuckets = 1024;
  Digest() : sums_(kBuckets) {}
  void add(Hash128 hash) {
    Hash128& sum = sums_[bucket_of(hash)];
    sum.low += hash.low;
    sum.high += hash.high;
  }
  void remove(Hash128 hash) {
    Hash128& sum = sums_[bucket_of(hash)];
    sum.low -= hash.low;
    sum.high -= hash.high;
  }
  bool zero(Hash128 hash) const { return sums_[bucket_of(hash)] == Hash128{}; }
  bool zero() const;

 private:
  static std::size_t bucket_of(Hash128 hash) { return hash.low % kBuckets; }
  std::vector<Hash128> sums_;
};

class References {
 public:
  // `value` is the encoded Dirent of an item of kind kDirent, kReaddir or kBackref.
  void name(std::uint8_t kind, Ino dir, std::string_view value);
  // An index entry, or (kIndexedInode) an inode that must have it.
  void index(std::uint8_t kind, format::IndexType type, Seq seq, Ino ino);

  bool complete() const { return readdirs_.zero() && backrefs_.zero() && index_.zero(); }
  bool suspect_name(Hash128 hash) const {
    return !readdirs_.zero(hash) || !backrefs_.zero(hash);
  }
  bool suspect_index(Hash128 hash) const { return !index_.zero(hash); }

 private:
  Digest readdirs_;  // dirents less readdir items
  Digest backrefs_;  // dirents less backrefs
  Digest index_;     // index entries less inodes
};

// The second pass, over the same items.
class ExactReferences {
 public:
  explicit ExactReferences(const References& digests) : digests_(digests) {}
  void name(std::uint8_t kind, Ino dir, std::uint64_t position, Ino ino,
            std::string_view value);
  void index(std::uint8_t kind, format::IndexType type, Seq seq, Ino ino);
  // What is alone.
  void report(Problems& problems);

 private:
  struct Entry {
    std::uint64_t a = 0;     // directory; index type
    std::uint64_t b = 0;     // position; inode
    std::uint64_t hash = 0;  // of the value; seq
    std::uint64_t ino = 0;   // target
    std::uint8_t kind = 0;
    auto operator<=>(const Entry&) const = default;
  };
  void report_name(Problems& problems, std::size_t begin, std::size_t end);
  void report_index(Problems& problems, std::size_t begin, std::size_t end);

  const References& digests_;
  std::vector<Entry> names_;
  std::vector<Entry> index_;
};

}  // namespace scoutfs::check
