// One definition of a message's fields serves for writing and for reading.
//
//   template <class Archive> void fields(Archive& archive, Lock& lock) { archive(lock.id,
//   lock.mode); }
//
// Integers are little-endian, sequences have a varint count, strings a varint size, bools are 0
// or 1, enumerations one byte whose range the message's own check decides.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/base/codec.hpp"
#include "engine/env/fencing.hpp"
#include "engine/env/network.hpp"
#include "engine/format/key_range.hpp"
#include "engine/lock/lock.hpp"
#include "engine/lsm/compaction.hpp"

namespace scoutfs::session {

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  template <class... Ts>
  void operator()(const Ts&... values) {
    (one(values), ...);
  }

 private:
  template <std::unsigned_integral T>
  void one(T value) {
    if constexpr (std::same_as<T, bool>) {
      out_.put_bool(value);
    } else {
      out_.put(value);
    }
  }
  template <class Tag>
  void one(Id<Tag> id) {
    out_.put(id);
  }
  template <class E>
    requires std::is_enum_v<E>
  void one(E value) {
    out_.put(static_cast<std::uint8_t>(value));
  }
  void one(Term term) { out_.put(term); }
  void one(const Extent& extent) { out_.put(extent); }
  void one(const Incarnation& who) { out_.put(who); }
  void one(const Address& address) { (*this)(address.ip, address.port); }
  void one(const std::string& text) { out_.put_string(text); }
  void one(const KeyRange& range) { (*this)(range.first, range.last); }
  void one(const HostId& host) {
    (*this)(host.machine, host.boot, host.process, host.process_start);
  }
  void one(const lock::LockId& id) { (*this)(id.kind, id.group); }
  void one(const lsm::SegmentInfo& info) { encode(out_, info); }
  void one(const lsm::Placed& placed) { encode(out_, placed); }
  void one(const lsm::Job& job) { encode(out_, job); }
  template <class T>
  void one(const std::vector<T>& values) {
    out_.put_varint(values.size());
    for (const T& value : values) one(value);
  }
  template <class T>
    requires requires(T& t, Encoder& e) { fields(e, t); }
  void one(const T& message) {
    fields(*this, const_cast<T&>(message));  // an Encoder only reads
  }

  Writer out_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}

  template <class... Ts>
  void operator()(Ts&... values) {
    (one(values), ...);
  }
  bool finished() const { return in_.finished(); }
  void set_bad() { in_.set_bad(); }

 private:
  static constexpr std::size_t kStringMax = 1u << 20;  // bytes

  template <std::unsigned_integral T>
  void one(T& value) {
    if constexpr (std::same_as<T, bool>) {
      value = in_.get_bool();
    } else {
      value = in_.get<T>();
    }
  }
  template <class Tag>
  void one(Id<Tag>& id) {
    id.value = in_.get<std::uint64_t>();
  }
  template <class E>
    requires std::is_enum_v<E>
  void one(E& value) {
    value = static_cast<E>(in_.get<std::uint8_t>());
  }
  void one(Term& term) { term = in_.get_term(); }
  void one(Extent& extent) { extent = in_.get_extent(); }
  void one(Incarnation& who) { who = in_.get_incarnation(); }
  void one(Address& address) { (*this)(address.ip, address.port); }
  void one(std::string& text) { text = in_.get_string(kStringMax); }
  void one(KeyRange& range) { (*this)(range.first, range.last); }
  void one(HostId& host) { (*this)(host.machine, host.boot, host.process, host.process_start); }
  void one(lock::LockId& id) {
    (*this)(id.kind, id.group);
    const bool rename = id.kind == lock::LockId::Kind::rename;
    if (!rename && id.kind != lock::LockId::Kind::group) set_bad();
    if (rename && id.group != 0) set_bad();
  }
  void one(lock::Mode& mode) {
    mode = static_cast<lock::Mode>(in_.get<std::uint8_t>());
    if (mode > lock::Mode::write) set_bad();
  }
  void one(lsm::SegmentInfo& info) { info = lsm::decode_segment_info(in_); }
  void one(lsm::Placed& placed) { placed = lsm::decode_placed(in_); }
  void one(lsm::Job& job) { job = lsm::decode_job(in_); }
  template <class T>
  void one(std::vector<T>& values) {
    // Every element takes at least a byte, so a count from the wire cannot ask for much memory.
    const std::size_t count = in_.get_count(1);
    values.clear();
    for (std::size_t i = 0; i < count && in_.good(); ++i) one(values.emplace_back());
  }
  template <class T>
    requires requires(T& t, Decoder& d) { fields(d, t); }
  void one(T& message) {
    fields(*this, message);
  }

  Reader in_;
};

}  // namespace scoutfs::session
