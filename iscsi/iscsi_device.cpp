#include "iscsi/iscsi_device.hpp"

#include <fmt/core.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include <algorithm>

#include "engine/base/codec.hpp"

namespace scoutfs::iscsi {

namespace {

constexpr std::size_t kRequestSizeMax = 1u << 20;     // bytes
constexpr std::uint16_t kKeysSizeMax = 8 + 8 * 1024;  // bytes of an answer with all keys
constexpr std::size_t kUnitBlockMin = 512;            // bytes
constexpr int kCachingPage = 0x08;                    // of the mode pages, SBC-3
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

ReservationKey key_of(Rid rid) {
  SCOUTFS_ASSERT(rid.value != 0);
  return rid.value;
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
                                                             ReservationKey key, Role role,
                                                             std::string& why) {
  std::unique_ptr<IscsiDevice> device(new IscsiDevice(loop, std::move(uri), key));
  SCOUTFS_CO_TRY(const Session session, co_await device->log_in(why));
  SCOUTFS_CO_CHECK(co_await device->measure(session, why));
  if (role == Role::member) {
    SCOUTFS_CO_CHECK(co_await device->join(session, why));
  } else {
    const Result<ReservationKey> held_by = co_await device->holder(session);
    if (held_by.has_value() && *held_by != 0) {
      SCOUTFS_CO_CHECK(co_await device->register_key(session, why));
    }
  }
  // Told to registrants alone where the unit is reserved.
  SCOUTFS_CO_CHECK(co_await device->look_at_cache(session));
  device->session_ = session;
  co_return std::move(device);
}

Task<Result<IscsiDevice::Session>> IscsiDevice::log_in(std::string& why) {
  // The port that the target registers is this incarnation's alone.
  Initiator initiator;
  initiator.name = fmt::format("iqn.2026-11.scoutfs:{:016x}", key_);
  initiator.session = static_cast<std::uint32_t>(key_ & 0xff'ffff);
  SCOUTFS_CO_TRY(std::unique_ptr<IscsiSession> session,
                 co_await IscsiSession::login(loop_, uri_, initiator, why));
  co_return Session(std::move(session));
}

Task<Result<void>> IscsiDevice::measure(Session session, std::string& why) {
  const IscsiSession::Issue issue = [](iscsi_context* context, unsigned lun, void* command,
                                       scsi_task*& task) {
    task = iscsi_readcapacity16_task(context, static_cast<int>(lun), IscsiSession::on_done,
                                     command);
    return task != nullptr;
  };
  const IscsiSession::Reply reply = co_await session->run(issue);
  if (reply.outcome != IscsiSession::Outcome::good || reply.data.size() < 12) {
    why = sentence("the logical unit does not tell its size", reply);
    co_return fail(Errc::disconnected);
  }
  const std::uint64_t last = big_endian(reply.data, 0, 8);
  const std::uint64_t block_size = big_endian(reply.data, 8, 4);
  if (block_size < kUnitBlockMin || kBlockSize % block_size != 0) {
    why = fmt::format("the logical unit has blocks of {} bytes; they must divide {}",
                      block_size, kBlockSize);
    co_return fail(Errc::invalid);
  }
  const std::uint64_t count = (last + 1) / (kBlockSize / block_size);
  if (count < kClaimsEnd / kBlockSize || (block_count_ != 0 && count != block_count_)) {
    why = fmt::format("the logical unit has less than {} bytes, or has changed its size",
                      kClaimsEnd);
    co_return fail(Errc::invalid);
  }
  unit_block_size_ = block_size;
  block_count_ = count;
  co_return Result<void>{};
}

// Who does not say is believed to have a cache that does not survive.
Task<Result<void>> IscsiDevice::look_at_cache(Session session) {
  const IscsiSession::Issue issue = [](iscsi_context* context, unsigned lun, void* command,
                                       scsi_task*& task) {
    task = iscsi_modesense6_task(context, static_cast<int>(lun), 1, SCSI_MODESENSE_PC_CURRENT,
                                 kCachingPage, 0, 255, IscsiSession::on_done, command);
    return task != nullptr;
  };
  const IscsiSession::Reply reply = co_await session->run(issue);
  if (reply.outcome == IscsiSession::Outcome::lost) co_return fail(Errc::disconnected);
  capabilities_.volatile_cache = true;
  if (reply.outcome != IscsiSession::Outcome::good || reply.data.size() < 4) {
    co_return Result<void>{};
  }
  // Behind a header of four bytes and what it counts of block descriptors.
  const std::size_t page = 4 + big_endian(reply.data, 3, 1);
  if (reply.data.size() < page + 3 || (reply.data[page] & 0x3f) != kCachingPage) {
    co_return Result<void>{};
  }
  constexpr char kWriteCache = 0x04;
  capabilities_.volatile_cache = (reply.data[page + 2] & kWriteCache) != 0;
  co_return Result<void>{};
}

Task<IscsiSession::Reply> IscsiDevice::reserve_out(Session session, int action,
                                                   ReservationKey own, ReservationKey other) {
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
  co_return co_await session->run(issue);
}

Task<IscsiSession::Reply> IscsiDevice::reserve_in(Session session, int action,
                                                  std::uint16_t size) {
  const IscsiSession::Issue issue = [action, size](iscsi_context* context, unsigned lun,
                                                   void* command, scsi_task*& task) {
    task = iscsi_persistent_reserve_in_task(context, static_cast<int>(lun), action, size,
                                            IscsiSession::on_done, command);
    return task != nullptr;
  };
  co_return co_await session->run(issue);
}

Task<Result<void>> IscsiDevice::join(Session session, std::string& why) {
  SCOUTFS_CO_CHECK(co_await register_key(session, why));
  co_return co_await reserve(session, why);
}

Task<Result<void>> IscsiDevice::register_key(Session session, std::string& why) {
  const IscsiSession::Reply can =
      co_await reserve_in(session, SCSI_PERSISTENT_RESERVE_REPORT_CAPABILITIES, 8);
  if (can.outcome == IscsiSession::Outcome::good && can.data.size() >= 4) {
    capabilities_.survives_power_loss = (can.data[2] & 1) != 0;
  }
  const IscsiSession::Reply done =
      co_await reserve_out(session, SCSI_PERSISTENT_RESERVE_REGISTER, 0, key_);
  if (done.outcome == IscsiSession::Outcome::unsupported) {
    why = sentence("the target has no persistent reservations, so nobody can be fenced", done);
    co_return fail(Errc::unsupported);
  }
  // A conflict: this port is registered already, with this key or another.
  if (done.outcome == IscsiSession::Outcome::conflict) {
    SCOUTFS_CO_TRY(const std::vector<ReservationKey> keys, co_await registered(session));
    if (!holds(keys, key_)) {
      why = "the target has another key of this initiator";
      co_return fail(Errc::fenced);
    }
  } else if (done.outcome != IscsiSession::Outcome::good) {
    why = sentence("the key cannot be registered", done);
    co_return result_of(done);
  }
  registered_ = true;
  co_return Result<void>{};
}

Task<Result<void>> IscsiDevice::reserve(Session session, std::string& why) {
  const IscsiSession::Reply reserved =
      co_await reserve_out(session, SCSI_PERSISTENT_RESERVE_RESERVE, key_, 0);
  if (reserved.outcome == IscsiSession::Outcome::good) co_return Result<void>{};
  SCOUTFS_CO_TRY(const ReservationKey held_by, co_await holder(session));
  if (held_by != 0) co_return Result<void>{};
  why = sentence(
      "the logical unit cannot be reserved; somebody else has reserved it in another way",
      reserved);
  co_return result_of(reserved);
}

Task<Result<void>> IscsiDevice::reconnect() {
  std::string why;
  Session session = session_;
  const bool lost = !connected();
  if (lost) {
    drop();
    SCOUTFS_CO_TRY(session, co_await log_in(why));
  }
  SCOUTFS_CO_CHECK(co_await measure(session, why));
  if (registered_) {
    // Refused unless this port is registered, and has no other effect then.
    const IscsiSession::Reply known =
        co_await reserve_out(session, SCSI_PERSISTENT_RESERVE_REGISTER, key_, key_);
    const bool forgotten = lost && known.outcome == IscsiSession::Outcome::conflict;
    if (forgotten) {
      SCOUTFS_CO_CHECK(co_await register_again(session));
    } else {
      SCOUTFS_CO_CHECK(result_of(known));
    }
  }
  if (lost && capabilities_.volatile_cache && written_ != flushed_) co_return fail(Errc::stale);
  session_ = session;
  co_return Result<void>{};
}

// See the top of the header.
Task<Result<void>> IscsiDevice::register_again(Session session) {
  if (!cell_.has_value()) co_return fail(Errc::fenced);
  std::string why;
  SCOUTFS_CO_CHECK(co_await register_key(session, why));
  SCOUTFS_CO_TRY(const Claims claims, co_await read_claims(session));
  if (claims.owner(*cell_) != key_) {
    const IscsiSession::Reply out =
        co_await reserve_out(session, SCSI_PERSISTENT_RESERVE_REGISTER, key_, 0);
    // Whatever came of it: nothing more is sent.
    SCOUTFS_MAYBE(out.outcome == IscsiSession::Outcome::good);
    co_return fail(Errc::fenced);
  }
  co_return co_await reserve(session, why);
}

void IscsiDevice::drop() {
  if (session_ != nullptr) session_->drop();
}

// ---- Blocks ----

Task<Result<void>> IscsiDevice::transfer_piece(Session session, std::byte* bytes,
                                               std::size_t size, std::uint64_t offset,
                                               bool is_write, bool fua) {
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
  const IscsiSession::Reply reply = co_await session->run(issue);
  co_return result_of(reply);
}

Task<Result<void>> IscsiDevice::transfer(Session session, std::byte* bytes, std::size_t size,
                                         std::uint64_t offset, bool is_write, bool fua) {
  for (std::size_t done = 0; done < size; done += kRequestSizeMax) {
    const std::size_t piece = std::min(size - done, kRequestSizeMax);
    SCOUTFS_CO_CHECK(
        co_await transfer_piece(session, bytes + done, piece, offset + done, is_write, fua));
  }
  co_return Result<void>{};
}

Task<Result<void>> IscsiDevice::read(BlockNo first, std::span<std::byte> out) {
  SCOUTFS_ASSERT(out.size() % kBlockSize == 0);
  SCOUTFS_ASSERT(first.value + out.size() / kBlockSize <= block_count_);
  co_return co_await transfer(session_, out.data(), out.size(), first.value * kBlockSize, false,
                              false);
}

Task<Result<void>> IscsiDevice::write(BlockNo first, std::span<const std::byte> data,
                                      Durability durability) {
  SCOUTFS_ASSERT(data.size() % kBlockSize == 0);
  SCOUTFS_ASSERT(first.value + data.size() / kBlockSize <= block_count_);
  // Never written through: the command is a write.
  auto* const bytes = const_cast<std::byte*>(data.data());
  const bool fua = durability == Durability::on_completion;
  SCOUTFS_CO_CHECK(
      co_await transfer(session_, bytes, data.size(), first.value * kBlockSize, true, fua));
  if (!fua) ++written_;
  co_return Result<void>{};
}

Task<Result<void>> IscsiDevice::flush() {
  const IscsiSession::Issue issue = [](iscsi_context* context, unsigned lun, void* command,
                                       scsi_task*& task) {
    task = iscsi_synchronizecache16_task(context, static_cast<int>(lun), 0, 0, 0, 0,
                                         IscsiSession::on_done, command);
    return task != nullptr;
  };
  const std::uint64_t covered = written_;
  const Session session = session_;
  const IscsiSession::Reply reply = co_await session->run(issue);
  // A unit without a volatile cache may not know the command.
  if (reply.outcome != IscsiSession::Outcome::unsupported) {
    SCOUTFS_CO_CHECK(result_of(reply));
  }
  flushed_ = std::max(flushed_, covered);
  co_return Result<void>{};
}

// ---- Claims ----

Task<Result<Claims>> IscsiDevice::read_claims(Session session) {
  std::string bytes(kClaimsEnd - kClaimsBegin, '\0');
  const std::span<std::byte> buffer = std::as_writable_bytes(std::span(bytes));
  SCOUTFS_CO_CHECK(
      co_await transfer(session, buffer.data(), buffer.size(), kClaimsBegin, false, false));
  co_return Claims(bytes, unit_block_size_);
}

Task<Result<void>> IscsiDevice::write_claim(Session session, std::size_t cell,
                                            ReservationKey key) {
  std::string image = encode_claim(cell, key, unit_block_size_);
  const std::span<std::byte> buffer = std::as_writable_bytes(std::span(image));
  co_return co_await transfer(session, buffer.data(), buffer.size(),
                              kClaimsBegin + cell * unit_block_size_, true, true);
}

Task<Result<void>> IscsiDevice::empty_claims_of(Session session, ReservationKey key) {
  SCOUTFS_CO_TRY(const Claims claims, co_await read_claims(session));
  for (const std::size_t cell : claims.cells_of(key)) {
    SCOUTFS_CO_CHECK(co_await write_claim(session, cell, 0));
  }
  co_return Result<void>{};
}

Task<Result<bool>> IscsiDevice::claim() {
  SCOUTFS_ASSERT(registered_);
  const Session session = session_;
  SCOUTFS_CO_TRY(const std::vector<ReservationKey> keys, co_await registered(session));
  SCOUTFS_CO_TRY(const Claims claims, co_await read_claims(session));
  const std::optional<std::size_t> cell = claims.place_for(key_, keys);
  if (!cell.has_value()) co_return Result<bool>(false);
  SCOUTFS_CO_CHECK(co_await write_claim(session, *cell, key_));
  cell_ = cell;
  co_return Result<bool>(true);
}

// ---- Reservations ----

Task<Result<std::vector<ReservationKey>>> IscsiDevice::registered() {
  co_return co_await registered(session_);
}

Task<Result<std::vector<ReservationKey>>> IscsiDevice::registered(Session session) {
  const IscsiSession::Reply reply =
      co_await reserve_in(session, SCSI_PERSISTENT_RESERVE_READ_KEYS, kKeysSizeMax);
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

Task<Result<ReservationKey>> IscsiDevice::holder() {
  co_return co_await holder(session_);
}

Task<Result<ReservationKey>> IscsiDevice::holder(Session session) {
  const IscsiSession::Reply reply =
      co_await reserve_in(session, SCSI_PERSISTENT_RESERVE_READ_RESERVATION, 24);
  SCOUTFS_CO_CHECK(result_of(reply));
  if (reply.data.size() < 24 || (reply.data[21] & 0x0f) != kType) co_return ReservationKey{0};
  co_return big_endian(reply.data, 8, 8);
}

Task<Result<void>> IscsiDevice::fence(ReservationKey victim) {
  SCOUTFS_ASSERT(victim != key_);
  SCOUTFS_ASSERT(registered_);
  const Session session = session_;
  SCOUTFS_CO_CHECK(co_await empty_claims_of(session, victim));
  SCOUTFS_CO_TRY(const std::vector<ReservationKey> before, co_await registered(session));
  // A key that is gone may have been preempted by somebody who died before the reset.
  bool reset = true;
  if (holds(before, victim)) {
    IscsiSession::Reply reply;
    if (capabilities_.preempt_and_abort) {
      reply = co_await reserve_out(session, SCSI_PERSISTENT_RESERVE_PREEMPT_AND_ABORT, key_,
                                   victim);
      reset = reply.outcome != IscsiSession::Outcome::good;
      if (reply.outcome == IscsiSession::Outcome::unsupported) {
        capabilities_.preempt_and_abort = false;
      }
    }
    if (!capabilities_.preempt_and_abort) {
      reply = co_await reserve_out(session, SCSI_PERSISTENT_RESERVE_PREEMPT, key_, victim);
    }
    SCOUTFS_CO_CHECK(result_of(reply));
  }
  SCOUTFS_CO_TRY(const std::vector<ReservationKey> left, co_await registered(session));
  if (holds(left, victim)) co_return fail(Errc::io_error);
  if (!reset) co_return Result<void>{};
  // Last: the reset ends what is in flight here, too.
  co_return co_await session->reset_unit();
}

Task<Result<void>> IscsiDevice::take_over(std::string& why) {
  const Session session = session_;
  SCOUTFS_CO_TRY(const Claims claims, co_await read_claims(session));
  for (std::size_t cell = 0; cell < claims.count(); ++cell) {
    if (claims.owner(cell) == 0) continue;
    SCOUTFS_CO_CHECK(co_await write_claim(session, cell, 0));
  }
  SCOUTFS_CO_TRY(std::vector<ReservationKey> others, co_await registered(session));
  std::erase(others, key_);
  if (others.empty()) co_return Result<void>{};
  SCOUTFS_CO_CHECK(co_await join(session, why));
  for (const ReservationKey key : others) SCOUTFS_CO_CHECK(co_await fence(key));
  co_return Result<void>{};
}

Task<Result<void>> IscsiDevice::leave() {
  if (!registered_) co_return Result<void>{};
  const Session session = session_;
  if (cell_.has_value()) SCOUTFS_CO_CHECK(co_await write_claim(session, *cell_, 0));
  SCOUTFS_CO_TRY(const ReservationKey held_by, co_await holder(session));
  if (held_by == key_) co_return Result<void>{};
  const IscsiSession::Reply reply =
      co_await reserve_out(session, SCSI_PERSISTENT_RESERVE_REGISTER, key_, 0);
  co_return result_of(reply);
}

}  // namespace scoutfs::iscsi
