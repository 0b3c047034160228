// Item blocks: a sorted run of items, each key stored as its difference from the one before.
//
// The unit of compression and of caching. A block is decoded once, when it is read, into a form
// that is searched without decoding: the heads of all keys side by side, then keys and values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"
#include "engine/format/key_range.hpp"

namespace scoutfs::format {

// Contributed to format_description(). Changes with the table below.
inline constexpr std::string_view kItemBlockFormat = "item block 1\n";

// The bytes of a block:
//
//   offset  size  field
//        0     4  item count      at least 1
//        4     2  common          how many bytes all keys begin with in common
//        6     -  items, ascending by key:
//                   varint  shared       bytes this key has in common with the one before, 0
//                   for
//                                        the first; always as many as there are
//                   varint  suffix size  of the rest of the key; not 0 but for the first
//                   varint  value        0: a tombstone; otherwise 1 + size of the value
//                   bytes   suffix, value
inline constexpr std::size_t kItemBlockHeader = 6;  // bytes
// What an item adds to a block beyond the bytes of its key and value, at most.
inline constexpr std::size_t kItemOverheadMax = 7;  // bytes

// How many bytes `a` and `b` begin with in common.
std::size_t shared_prefix(std::string_view a, std::string_view b);

class ItemBlockBuilder {
 public:
  ItemBlockBuilder() { clear(); }

  // Appends an item. Requires: a greater key than the last one; sizes within their limits.
  // `shared` is what the key shares with the last one.
  void add(std::string_view key, std::optional<std::string_view> value, std::size_t shared);
  void add(std::string_view key, std::optional<std::string_view> value) {
    add(key, value, item_count_ == 0 ? 0 : shared_prefix(last_key_, key));
  }

  std::uint32_t item_count() const { return item_count_; }
  bool empty() const { return item_count_ == 0; }
  // Bytes that finish() gives.
  std::size_t size() const { return bytes_.size(); }
  const std::string& first_key() const { return first_key_; }
  const std::string& last_key() const { return last_key_; }

  // The bytes; valid until the next call. Requires: not empty.
  std::string_view finish();
  void clear();

 private:
  std::string bytes_;
  std::string first_key_;
  std::string last_key_;
  std::uint32_t item_count_ = 0;
};

// A decoded block. Immutable; views into it live as long as it does.
class ItemBlock {
 public:
  // Errors: corrupt: not what a builder makes.
  static Result<ItemBlock> decode(std::string_view bytes);

  std::size_t count() const { return count_; }
  // What all keys begin with; the key is this and the suffix.
  std::string_view prefix() const { return {arena(), prefix_size_}; }
  std::string_view suffix(std::size_t i) const {
    return {arena() + starts()[i], static_cast<std::size_t>(key_marks()[i] & kSizeMask)};
  }
  bool is_tombstone(std::size_t i) const { return (key_marks()[i] & kTombstone) != 0; }
  // Empty for a tombstone.
  std::string_view value_bytes(std::size_t i) const {
    const std::size_t begin =
        starts()[i] + static_cast<std::size_t>(key_marks()[i] & kSizeMask);
    return {arena() + begin, starts()[i + 1] - begin};
  }
  std::optional<std::string_view> value(std::size_t i) const {
    if (is_tombstone(i)) return std::nullopt;
    return value_bytes(i);
  }
  std::string key(std::size_t i) const {
    std::string out(prefix());
    return out.append(suffix(i));
  }

  // The first item whose key is not less than `key`; count() if there is none.
  std::size_t lower_bound(std::string_view key) const;
  // The item of `key`; count() if there is none.
  std::size_t find(std::string_view key) const;
  // The last item whose key is not greater than `key`. Requires: the first item's key is empty.
  std::size_t find_covering(std::string_view key) const;

  // Memory it takes, this object included.
  std::size_t size_bytes() const { return size_bytes_; }

 private:
  static constexpr std::uint16_t kTombstone = 0x8000;
  static constexpr std::uint16_t kSizeMask = 0x7fff;
  struct Parsed;

  ItemBlock() = default;
  void allocate(std::size_t count, std::size_t arena_size);
  bool fill(std::string_view items);
  // The first item in [from, count) whose suffix is not less.
  std::size_t search(std::string_view suffix) const;

  // One allocation: heads (the first eight bytes of each suffix, big-endian), then starts (of
  // each suffix in the arena, and the arena's end), then key marks (suffix size and tombstone
  // flag), then the arena (the prefix, then suffix and value of each item).
  const std::uint64_t* heads() const { return storage_.get(); }
  const std::uint32_t* starts() const {
    return reinterpret_cast<const std::uint32_t*>(storage_.get() + count_);
  }
  const std::uint16_t* key_marks() const {
    return reinterpret_cast<const std::uint16_t*>(starts() + count_ + 1);
  }
  const char* arena() const { return reinterpret_cast<const char*>(key_marks() + count_); }

  std::unique_ptr<std::uint64_t[]> storage_;
  std::uint32_t count_ = 0;
  std::uint32_t prefix_size_ = 0;
  std::size_t size_bytes_ = 0;
};

}  // namespace scoutfs::format
