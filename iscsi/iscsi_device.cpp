#include "iscsi/iscsi_device.hpp"

#include <fmt/core.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include <algorithm>

#include "engine/base/hash.hpp"

namespace scoutfs::iscsi {

namespace {

constexpr std::size_t kRequestSizeMax = 1u << 20;     // bytes
constexpr std::uint16_t kKeysSizeMax = 8 + 8 * 1024;  // bytes of an answer with all keys
constexpr int kType = SCSI_PERSISTENT_RESERVE_TYPE_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY;

std::uint64_t big_endian(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = at; i < at + size; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

bool holds(const std::vector<ReservationKey>& keys, ReservationKey key) {
  return std::ranges::find(keys, key) != keys.end();
}

// Keeps what the reply says of a failure for the operator.
std::string sentence(std::string_view what, const IscsiSession::Reply& reply) {
  if (reply.why.empty()) return std::string(what);
  return fmt::format("{}: {}", what, reply.why);
}

}  // namespace

ReservationKey key_of(Incarnation who) {
  return std::max<std::uint64_t>(mix(who.rid.value, who.epoch.value, 0x7072), 1);
}

IscsiDevice::IscsiDevice(node::EventLoop& loop, std::string uri, ReservationKey key)
    : loop_(loop), uri_(std::move(uri)), key_(key) {
  SCOUTFS_ASSERT(key != 0);
}

IscsiDevice::~IscsiDevice() = default;

Result<void> IscsiDevice::result_of(const IscsiSession::Reply& reply) {
  switch (reply.outcome) {
    case IscsiSession::Outcome::good:
      return {};
    case IscsiSession::Outcome::conflict:
      return fail(Errc::fenced);
    case IscsiSession::Outcome::lost:
      return fail(Errc::disconnected);
    case IscsiSession::Outcome::unsupported:
    case IscsiSession::Outcome::failed:
      break;
  }
  return fail(Errc::io_error);
}

// ---- Log in ----

Task<Result<std::unique_ptr<IscsiDevice>>> IscsiDevice::open(node::EventLoop& loop,
                                                             std::string uri,
                                                             ReservationKey key,
                                                             std::string& why) {
  std::unique_ptr<IscsiDevice> device(new IscsiDevice(loop, std::move(uri), key));
  SCOUTFS_CO_CHECK(co_await device->log_in(why));
  SCOUTFS_CO_CHECK(co_await device->measure(why));
  SCOUTFS_CO_CHECK(co_await device->join(why));
  co_return std::move(device);
}

Task<Result<void>> IscsiDevice::log_in(std::string& why) {
  // The port that the target registers is this incarnation's alone.
  Initiator initiator;
  initiator.name = fmt::format("iqn.2026-11.scoutfs:{:016x}", key_);
  initiator.session = static_cast<std::uint32_t>(key_ & 0xff'ffff);
  SCOUTFS_CO_TRY(session_, co_await IscsiSession::login(loop_, uri_, initiator, why));
  co_return Result<void>{};
}

Task<Result<void>> IscsiDevice::measure(std::string& why) {
  const IscsiSession::Issue issue = [](iscsi_context* context, unsigned lun, void* command,
                                       scsi_task*& task) {
    task = iscsi_readcapacity16_task(context, static_cast<int>(lun), IscsiSession::on_done,
                                     command);
    return task != nullptr;
  };
  const IscsiSession::Reply reply = co_await session_->run(issue);
  if (reply.outcome != IscsiSession::Outcome::good || reply.data.size() < 12) {
    why = sentence("the logical unit does not tell its size", reply);
    co_return fail(Errc::disconnected);
  }
  const std::uint64_t last = big_endian(reply.data, 0, 8);
  const std::uint64_t block_size = big_endian(reply.data, 8, 4);
  if (block_size == 0 || kBlockSize % block_size != 0) {
    why = fmt::format("the logical unit has blocks of {} bytes; they must divide {}",
                      block_size, kBlockSize);
    co_return fail(Errc::invalid);
  }
  const std::uint64_t count = (last + 1) / (kBlockSize / block_size);
  if (count == 0 || (block_count_ != 0 && count != block_count_)) {
    why = "the logical unit is smaller than one block, or has changed its size";
    co_return fail(Errc::invalid);
  }
  unit_block_size_ = block_size;
  block_count_ = count;
  co_return Result<void>{};
}

Task<IscsiSession::Reply> IscsiDevice::reserve_out(int action, ReservationKey own,
                                                   ReservationKey other) {
  scsi_persistent_reserve_out_basic parameters{};
  parameters.reservation_key = own;
  parameters.service_action_reservation_key = other;
  const bool registers = action == SCSI_PERSISTENT_RESERVE_REGISTER;
  parameters.aptpl = registers && capabilities_.survives_power_loss ? 1 : 0;
  const IscsiSession::Issue issue = [&parameters, action](iscsi_context* context, unsigned lun,
                                                          void* command, scsi_task*& task) {
    task = iscsi_persistent_reserve_out_task(context, static_cast<int>(lun), action,
                                             SCSI_PERSISTENT_RESERVE_SCOPE_LU, kType,
                                             &parameters, IscsiSession::on_done, command);
    return task != nullptr;
  };
  co_return co_await session_->run(issue);
}

Task<IscsiSession::Reply> IscsiDevice::reserve_in(int action, std::uint16_t size) {
  const IscsiSession::Issue issue = [action, size](iscsi_context* context, unsigned lun,
                                                   void* command, scsi_task*& task) {
    task = iscsi_persistent_reserve_in_task(context, static_cast<int>(lun), action, size,
                                            IscsiSession::on_done, command);
    return task != nullptr;
  };
  co_return co_await session_->run(issue);
}

Task<Result<void>> IscsiDevice::join(std::string& why) {
  const IscsiSession::Reply can =
      co_await reserve_in(SCSI_PERSISTENT_RESERVE_REPORT_CAPABILITIES, 8);
  if (can.outcome == IscsiSession::Outcome::good && can.data.size() >= 4) {
    capabilities_.survives_power_loss = (can.data[2] & 1) != 0;
  }
  const IscsiSession::Reply registered_reply =
      co_await reserve_out(SCSI_PERSISTENT_RESERVE_REGISTER, 0, key_);
  if (registered_reply.outcome == IscsiSession::Outcome::unsupported) {
    why = sentence("the target has no persistent reservations, so nobody can be fenced",
                   registered_reply);
    co_return fail(Errc::unsupported);
  }
  // A conflict: this port is registered already, with this key or another.
  if (registered_reply.outcome == IscsiSession::Outcome::conflict) {
    SCOUTFS_CO_TRY(const std::vector<ReservationKey> keys, co_await registered());
    if (!holds(keys, key_)) {
      why = "the target has another key of this initiator";
      co_return fail(Errc::fenced);
    }
  } else if (registered_reply.outcome != IscsiSession::Outcome::good) {
    why = sentence("the key cannot be registered", registered_reply);
    co_return result_of(registered_reply);
  }
  const IscsiSession::Reply reserved =
      co_await reserve_out(SCSI_PERSISTENT_RESERVE_RESERVE, key_, 0);
  if (reserved.outcome == IscsiSession::Outcome::good) co_return Result<void>{};
  SCOUTFS_CO_TRY(const ReservationKey held_by, co_await holder());
  if (held_by != 0) co_return Result<void>{};
  why = sentence(
      "the logical unit cannot be reserved; somebody else has reserved it in another way",
      reserved);
  co_return result_of(reserved);
}

Task<Result<void>> IscsiDevice::reconnect() {
  if (!connected()) {
    drop();
    std::string why;
    SCOUTFS_CO_CHECK(co_await log_in(why));
  }
  std::string why;
  SCOUTFS_CO_CHECK(co_await measure(why));
  // Refused unless this port is registered, and has no other effect then.
  const IscsiSession::Reply known =
      co_await reserve_out(SCSI_PERSISTENT_RESERVE_REGISTER, key_, key_);
  co_return result_of(known);
}

void IscsiDevice::drop() {
  if (session_ != nullptr) session_->drop();
}

// ---- Blocks ----

Task<Result<void>> IscsiDevice::transfer_piece(std::byte* bytes, std::size_t size,
                                               std::uint64_t offset, bool is_write, bool fua) {
  scsi_iovec buffer{.iov_base = bytes, .iov_len = size};
  const std::uint64_t at = offset / unit_block_size_;
  const int block_size = static_cast<int>(unit_block_size_);
  const IscsiSession::Issue issue = [&buffer, at, block_size, is_write, fua](
                                        iscsi_context* context, unsigned lun, void* command,
                                        scsi_task*& task) {
    const auto length = static_cast<std::uint32_t>(buffer.iov_len);
    const int unit = static_cast<int>(lun);
    task = is_write ? iscsi_write16_iov_task(context, unit, at, nullptr, length, block_size, 0,
                                             0, fua ? 1 : 0, 0, 0, IscsiSession::on_done,
                                             command, &buffer, 1)
                    : iscsi_read16_iov_task(context, unit, at, length, block_size, 0, 0, 0, 0,
                                            0, IscsiSession::on_done, command, &buffer, 1);
    return task != nullptr;
  };
  const IscsiSession::Reply reply = co_await session_->run(issue);
  co_return result_of(reply);
}

Task<Result<void>> IscsiDevice::transfer(std::byte* bytes, std::size_t size,
                                         std::uint64_t offset, bool is_write, bool fua) {
  for (std::size_t done = 0; done < size; done += kRequestSizeMax) {
    const std::size_t piece = std::min(size - done, kRequestSizeMax);
    SCOUTFS_CO_CHECK(
        co_await transfer_piece(bytes + done, piece, offset + done, is_write, fua));
  }
  co_return Result<void>{};
}

Task<Result<void>> IscsiDevice::read(BlockNo first, std::span<std::byte> out) {
  SCOUTFS_ASSERT(out.size() % kBlockSize == 0);
  SCOUTFS_ASSERT(first.value + out.size() / kBlockSize <= block_count_);
  co_return co_await transfer(out.data(), out.size(), first.value * kBlockSize, false, false);
}

Task<Result<void>> IscsiDevice::write(BlockNo first, std::span<const std::byte> data,
                                      Durability durability) {
  SCOUTFS_ASSERT(data.size() % kBlockSize == 0);
  SCOUTFS_ASSERT(first.value + data.size() / kBlockSize <= block_count_);
  // Never written through: the command is a write.
  auto* const bytes = const_cast<std::byte*>(data.data());
  co_return co_await transfer(bytes, data.size(), first.value * kBlockSize, true,
                              durability == Durability::on_completion);
}

Task<Result<void>> IscsiDevice::flush() {
  const IscsiSession::Issue issue = [](iscsi_context* context, unsigned lun, void* command,
                                       scsi_task*& task) {
    task = iscsi_synchronizecache16_task(context, static_cast<int>(lun), 0, 0, 0, 0,
                                         IscsiSession::on_done, command);
    return task != nullptr;
  };
  const IscsiSession::Reply reply = co_await session_->run(issue);
  // A unit without a volatile cache may not know the command.
  if (reply.outcome == IscsiSession::Outcome::unsupported) co_return Result<void>{};
  co_return result_of(reply);
}

// ---- Reservations ----

Task<Result<std::vector<ReservationKey>>> IscsiDevice::registered() {
  const IscsiSession::Reply reply =
      co_await reserve_in(SCSI_PERSISTENT_RESERVE_READ_KEYS, kKeysSizeMax);
  SCOUTFS_CO_CHECK(result_of(reply));
  std::vector<ReservationKey> keys;
  if (reply.data.size() < 8) co_return fail(Errc::io_error);
  const std::uint64_t size = big_endian(reply.data, 4, 4);
  // An answer that was cut off could hide the key that is looked for.
  if (size % 8 != 0 || reply.data.size() < 8 + size) co_return fail(Errc::io_error);
  for (std::size_t at = 8; at < 8 + size; at += 8)
    keys.push_back(big_endian(reply.data, at, 8));
  co_return keys;
}

Task<Result<void>> IscsiDevice::fence(ReservationKey victim) {
  SCOUTFS_ASSERT(victim != key_);
  SCOUTFS_CO_TRY(const std::vector<ReservationKey> before, co_await registered());
  // A key that is gone may have been preempted by somebody who died before the reset.
  bool reset = true;
  if (holds(before, victim)) {
    IscsiSession::Reply reply;
    if (capabilities_.preempt_and_abort) {
      reply = co_await reserve_out(SCSI_PERSISTENT_RESERVE_PREEMPT_AND_ABORT, key_, victim);
      reset = reply.outcome != IscsiSession::Outcome::good;
      if (reply.outcome == IscsiSession::Outcome::unsupported) {
        capabilities_.preempt_and_abort = false;
      }
    }
    if (!capabilities_.preempt_and_abort) {
      reply = co_await reserve_out(SCSI_PERSISTENT_RESERVE_PREEMPT, key_, victim);
    }
    SCOUTFS_CO_CHECK(result_of(reply));
  }
  SCOUTFS_CO_TRY(const std::vector<ReservationKey> left, co_await registered());
  if (holds(left, victim)) co_return fail(Errc::io_error);
  if (!reset) co_return Result<void>{};
  // Last: the reset ends what is in flight here, too.
  co_return co_await session_->reset_unit();
}

Task<Result<ReservationKey>> IscsiDevice::holder() {
  const IscsiSession::Reply reply =
      co_await reserve_in(SCSI_PERSISTENT_RESERVE_READ_RESERVATION, 24);
  SCOUTFS_CO_CHECK(result_of(reply));
  if (reply.data.size() < 24 || (reply.data[21] & 0x0f) != kType) co_return ReservationKey{0};
  co_return big_endian(reply.data, 8, 8);
}

Task<Result<void>> IscsiDevice::leave() {
  SCOUTFS_CO_TRY(const ReservationKey held_by, co_await holder());
  if (held_by == key_) co_return Result<void>{};
  const IscsiSession::Reply reply =
      co_await reserve_out(SCSI_PERSISTENT_RESERVE_REGISTER, key_, 0);
  co_return result_of(reply);
}

}  // namespace scoutfs::iscsi
