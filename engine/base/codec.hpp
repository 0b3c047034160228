// Byte codecs: explicit little-endian fields for disk and wire, big-endian for ordered keys.
//
// A byte string is std::string throughout: it has the small-buffer optimisation that most keys
// fit, and its comparison is memcmp's.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"

namespace scoutfs {

template <std::unsigned_integral T>
constexpr T to_little(T value) {
  if constexpr (std::endian::native == std::endian::big) return std::byteswap(value);
  return value;
}

template <std::unsigned_integral T>
constexpr T to_big(T value) {
  if constexpr (std::endian::native == std::endian::little) return std::byteswap(value);
  return value;
}

template <std::unsigned_integral T>
T load_little(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return to_little(value);
}

template <std::unsigned_integral T>
void store_little(void* to, T value) {
  value = to_little(value);
  std::memcpy(to, &value, sizeof(T));
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Appends to a byte string.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(&out) {}

  template <std::unsigned_integral T>
  void put(T value) {
    value = to_little(value);
    out_->append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  template <std::unsigned_integral T>
  void put_big(T value) {
    value = to_big(value);
    out_->append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  template <class Tag>
  void put(Id<Tag> id) {
    put(id.value);
  }
  void put(Term term) {
    put(term.number);
    put(term.slot);
  }
  void put(Extent extent) {
    put(extent.start);
    put(extent.count);
  }
  void put(Incarnation who) {
    put(who.rid);
    put(who.epoch);
  }
  void put_bool(bool value) { put(static_cast<std::uint8_t>(value ? 1 : 0)); }
  void put_raw(std::string_view bytes) { out_->append(bytes); }
  // LEB128: seven bits a byte, low first.
  void put_varint(std::uint64_t value) {
    while (value >= 0x80) {
      out_->push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_->push_back(static_cast<char>(value));
  }
  // Length as a varint, then the bytes.
  void put_string(std::string_view bytes) {
    put_varint(bytes.size());
    out_->append(bytes);
  }
  void pad_to(std::size_t size) {
    SCOUTFS_ASSERT(out_->size() <= size);
    out_->resize(size, '\0');
  }
  std::size_t size() const { return out_->size(); }

 private:
  std::string* out_;
};

// Takes fields from the front of a byte string that came from a disk or a wire. Reading past
// the end, or a field that breaks a rule, makes it bad for good; what a bad reader returns is
// zero, so a decoder may read on and check good() once.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  template <std::unsigned_integral T>
  T get() {
    if (!take(sizeof(T))) return 0;
    return load_little<T>(in_.data() + at_ - sizeof(T));
  }
  template <std::unsigned_integral T>
  T get_big() {
    if (!take(sizeof(T))) return 0;
    T value;
    std::memcpy(&value, in_.data() + at_ - sizeof(T), sizeof(T));
    return to_big(value);
  }
  template <class IdType>
  IdType get_id() {
    return IdType{get<std::uint64_t>()};
  }
  Term get_term() {
    Term term;
    term.number = get<std::uint64_t>();
    term.slot = get<std::uint16_t>();
    return term;
  }
  Extent get_extent() {
    Extent extent;
    extent.start = get_id<BlockNo>();
    extent.count = get<std::uint64_t>();
    return extent;
  }
  Incarnation get_incarnation() {
    Incarnation who;
    who.rid = get_id<Rid>();
    who.epoch = get_id<Epoch>();
    return who;
  }
  // Only 0 and 1 are accepted, so that each value has one encoding.
  bool get_bool() {
    const auto value = get<std::uint8_t>();
    if (value > 1) set_bad();
    return value == 1;
  }
  // Only the shortest encoding is accepted.
  std::uint64_t get_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = get<std::uint8_t>();
      if (shift == 63 && byte > 1) set_bad();
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        if (byte == 0 && shift > 0) set_bad();
        return bad_ ? 0 : value;
      }
    }
    set_bad();
    return 0;
  }
  // Borrowed from the input. Longer than `size_max` is bad.
  std::string_view get_string(std::size_t size_max = SIZE_MAX) {
    const std::uint64_t size = get_varint();
    if (size > size_max) set_bad();
    return get_raw(bad_ ? 0 : static_cast<std::size_t>(size));
  }
  std::string_view get_raw(std::size_t size) {
    if (!take(size)) return {};
    return in_.substr(at_ - size, size);
  }
  std::string_view rest() { return get_raw(bad_ ? 0 : in_.size() - at_); }
  // A count of elements of at least `element_size_min` bytes each; more than fit is bad.
  std::size_t get_count(std::size_t element_size_min) {
    const std::uint64_t count = get_varint();
    if (bad_ || count > (in_.size() - at_) / element_size_min) {
      set_bad();
      return 0;
    }
    return static_cast<std::size_t>(count);
  }

  void set_bad() { bad_ = true; }
  bool good() const { return !bad_; }
  bool at_end() const { return at_ == in_.size(); }
  // The usual last line of a decoder: everything was read and was good.
  bool finished() const { return !bad_ && at_end(); }
  std::size_t remaining() const { return in_.size() - at_; }
  std::size_t position() const { return at_; }

  // True if all that is left is zero bytes; consumes them.
  bool rest_is_zero() {
    const std::string_view left = rest();
    // Each byte equals the one before it, and the first is zero.
    const bool zero = left.empty() || (left.front() == '\0' &&
                                       left.substr(1) == left.substr(0, left.size() - 1));
    return zero && good();
  }

 private:
  bool take(std::size_t size) {
    if (bad_ || size > in_.size() - at_) {
      bad_ = true;
      return false;
    }
    at_ += size;
    return true;
  }

  std::string_view in_;
  std::size_t at_ = 0;
  bool bad_ = false;
};

}  // namespace scoutfs
