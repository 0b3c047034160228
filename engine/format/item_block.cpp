// Item blocks: building, decoding with every rule checked, and searching.
#include "engine/format/item_block.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/base/codec.hpp"

namespace scoutfs::format {
namespace {

// The first eight bytes as a number that orders like they do; short strings are padded with
// zero.
std::uint64_t head_of(const char* bytes, std::size_t size) {
  std::uint64_t head = 0;
  if (size >= 8) {
    std::memcpy(&head, bytes, 8);
    return to_big(head);
  }
  std::memcpy(&head, bytes, size);
  return to_big(head);
}

// A varint of at most 32 bits in its shortest form. Null when it is not one.
const char* parse_varint(const char* at, const char* end, std::uint32_t& value) {
  if (at < end && (*at & 0x80) == 0) [[likely]] {
    value = static_cast<std::uint8_t>(*at);
    return at + 1;
  }
  std::uint32_t result = 0;
  for (unsigned shift = 0; shift < 28 && at < end; shift += 7) {
    const auto byte = static_cast<std::uint8_t>(*at++);
    result |= static_cast<std::uint32_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) != 0) continue;
    value = result;
    return byte == 0 && shift > 0 ? nullptr : at;
  }
  return nullptr;
}

// The sizes in front of an item.
struct ItemHeader {
  std::uint32_t shared = 0;
  std::uint32_t suffix_size = 0;
  std::uint32_t value_mark = 0;
  std::uint32_t key_size() const { return shared + suffix_size; }
  std::uint32_t value_size() const { return value_mark == 0 ? 0 : value_mark - 1; }
};

const char* parse_header(const char* at, const char* end, ItemHeader& header) {
  at = parse_varint(at, end, header.shared);
  if (at != nullptr) at = parse_varint(at, end, header.suffix_size);
  if (at != nullptr) at = parse_varint(at, end, header.value_mark);
  return at;
}

}  // namespace

std::size_t shared_prefix(std::string_view a, std::string_view b) {
  const std::size_t size_min = std::min(a.size(), b.size());
  std::size_t i = 0;
  for (; i + 8 <= size_min; i += 8) {
    std::uint64_t x;
    std::uint64_t y;
    std::memcpy(&x, a.data() + i, 8);
    std::memcpy(&y, b.data() + i, 8);
    if (x != y) return i + static_cast<std::size_t>(std::countr_zero(to_little(x ^ y))) / 8;
  }
  while (i < size_min && a[i] == b[i]) ++i;
  return i;
}

void ItemBlockBuilder::add(std::string_view key, std::optional<std::string_view> value,
                           std::size_t shared) {
  SCOUTFS_ASSERT(key.size() <= kKeySizeMax);
  SCOUTFS_ASSERT(!value.has_value() || value->size() <= kValueSizeMax);
  SCOUTFS_ASSERT(item_count_ == 0 || key.size() > shared);
  SCOUTFS_ASSERT(item_count_ == 0 || last_key_.size() == shared ||
                 static_cast<unsigned char>(key[shared]) >
                     static_cast<unsigned char>(last_key_[shared]));
  Writer writer(bytes_);
  writer.put_varint(shared);
  writer.put_varint(key.size() - shared);
  writer.put_varint(value.has_value() ? 1 + value->size() : 0);
  bytes_.append(key.substr(shared));
  if (value.has_value()) bytes_.append(*value);
  if (item_count_ == 0) first_key_ = key;
  last_key_.resize(std::min(last_key_.size(), shared));
  last_key_.append(key.substr(last_key_.size()));
  ++item_count_;
}

std::string_view ItemBlockBuilder::finish() {
  SCOUTFS_ASSERT(item_count_ > 0);
  const std::size_t common = shared_prefix(first_key_, last_key_);
  store_little(bytes_.data(), item_count_);
  store_little(bytes_.data() + 4, static_cast<std::uint16_t>(common));
  return bytes_;
}

void ItemBlockBuilder::clear() {
  bytes_.assign(kItemBlockHeader, '\0');
  first_key_.clear();
  last_key_.clear();
  item_count_ = 0;
}

void ItemBlock::allocate(std::size_t count, std::size_t arena_size) {
  const std::size_t bytes = count * 8 + (count + 1) * 4 + count * 2 + arena_size;
  const std::size_t words = (bytes + 7) / 8;
  storage_ = std::make_unique_for_overwrite<std::uint64_t[]>(words);
  count_ = static_cast<std::uint32_t>(count);
  size_bytes_ = words * 8 + sizeof(ItemBlock);
}

Result<ItemBlock> ItemBlock::decode(std::string_view bytes) {
  if (bytes.size() < kItemBlockHeader) return fail(Errc::corrupt);
  const auto count = load_little<std::uint32_t>(bytes.data());
  const std::size_t common = load_little<std::uint16_t>(bytes.data() + 4);
  const std::string_view items = bytes.substr(kItemBlockHeader);
  if (count == 0 || count > items.size() / 3) return fail(Errc::corrupt);

  // What the sizes say, and how much they add up to.
  const char* at = items.data();
  const char* const end = at + items.size();
  std::size_t key_size = 0;
  std::size_t arena_size = common;
  std::size_t common_found = SIZE_MAX;
  for (std::uint32_t i = 0; i < count; ++i) {
    ItemHeader header;
    at = parse_header(at, end, header);
    if (at == nullptr) return fail(Errc::corrupt);
    if (header.shared > key_size || (i > 0 && header.suffix_size == 0))
      return fail(Errc::corrupt);
    key_size = header.key_size();
    if (key_size > kKeySizeMax || header.value_size() > kValueSizeMax)
      return fail(Errc::corrupt);
    const std::size_t stored = std::size_t{header.suffix_size} + header.value_size();
    if (stored > static_cast<std::size_t>(end - at)) return fail(Errc::corrupt);
    at += stored;
    // All keys share what any two neighbours do; one alone shares all of itself.
    if (i > 0 || count == 1)
      common_found = std::min<std::size_t>(common_found, i > 0 ? header.shared : key_size);
    if ((i == 0 ? key_size : header.shared) < common) return fail(Errc::corrupt);
    arena_size += key_size - common + header.value_size();
  }
  if (at != end || common != common_found) return fail(Errc::corrupt);

  ItemBlock block;
  block.allocate(count, arena_size);
  block.prefix_size_ = static_cast<std::uint32_t>(common);
  if (!block.fill(items)) return fail(Errc::corrupt);
  return block;
}

// False if the keys do not ascend. The sizes were checked before.
bool ItemBlock::fill(std::string_view items) {
  std::uint64_t* const head_out = storage_.get();
  auto* const start_out = reinterpret_cast<std::uint32_t*>(head_out + count_);
  auto* const mark_out = reinterpret_cast<std::uint16_t*>(start_out + count_ + 1);
  auto* const arena_out = reinterpret_cast<char*>(mark_out + count_);
  const std::size_t common = prefix_size_;
  const char* at = items.data();
  const char* const end = at + items.size();
  char* out = arena_out + common;
  const char* last = out;     // the suffix of the item before
  std::size_t last_size = 0;  // of that suffix
  for (std::uint32_t i = 0; i < count_; ++i) {
    ItemHeader header;
    at = parse_header(at, end, header);
    const char* suffix = at;
    std::size_t suffix_size = header.suffix_size;
    char* const begin = out;
    if (i == 0) {
      // The first key is whole: its front is the prefix of all.
      std::memcpy(arena_out, suffix, common);
      suffix += common;
      suffix_size -= common;
    } else {
      const std::size_t shared = header.shared - common;
      if (shared < last_size &&
          static_cast<unsigned char>(last[shared]) >= static_cast<unsigned char>(*suffix))
        return false;
      std::memcpy(out, last, shared);
      out += shared;
    }
    std::memcpy(out, suffix, suffix_size);
    out += suffix_size;
    last = begin;
    last_size = static_cast<std::size_t>(out - begin);
    at = suffix + suffix_size;
    std::memcpy(out, at, header.value_size());
    at += header.value_size();
    out += header.value_size();
    head_out[i] = head_of(begin, last_size);
    start_out[i] = static_cast<std::uint32_t>(begin - arena_out);
    mark_out[i] =
        static_cast<std::uint16_t>(last_size | (header.value_mark == 0 ? kTombstone : 0));
  }
  start_out[count_] = static_cast<std::uint32_t>(out - arena_out);
  return true;
}

std::size_t ItemBlock::search(std::string_view wanted) const {
  const std::uint64_t head = head_of(wanted.data(), wanted.size());
  const std::uint64_t* const all = heads();
  // Branch-free: the comparison's outcome is as good as random.
  std::size_t low = 0;
  std::size_t size = count_;
  while (size > 1) {
    const std::size_t half = size / 2;
    low += all[low + half - 1] < head ? half : 0;
    size -= half;
  }
  low += all[low] < head ? 1 : 0;
  // Among equal heads the suffixes decide. Most often there is one, or none.
  std::size_t high = low;
  for (std::size_t step = 1; high < count_ && all[high] == head; step *= 2) {
    high = std::min<std::size_t>(high + step, count_);
  }
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (all[middle] == head && suffix(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::size_t ItemBlock::lower_bound(std::string_view key) const {
  const std::string_view common = prefix();
  const int order = key.substr(0, common.size()).compare(common);
  if (order < 0) return 0;
  if (order > 0) return count_;
  return search(key.substr(common.size()));
}

std::size_t ItemBlock::find(std::string_view key) const {
  const std::string_view common = prefix();
  if (!key.starts_with(common)) return count_;
  const std::string_view wanted = key.substr(common.size());
  const std::size_t at = search(wanted);
  return at < count_ && suffix(at) == wanted ? at : count_;
}

std::size_t ItemBlock::find_covering(std::string_view key) const {
  // The empty first key makes the common prefix empty, too.
  const std::size_t at = search(key);
  if (at < count_ && suffix(at) == key) return at;
  SCOUTFS_ASSERT(at > 0);
  return at - 1;
}

}  // namespace scoutfs::format
