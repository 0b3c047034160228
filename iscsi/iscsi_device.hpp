// IscsiDevice: a BlockDevice behind an iSCSI target, and the reservations that fence others.
//
// Every user of the unit registers a key, its own for each incarnation, and the unit is
// reserved with exclusive access for registrants only: who is not registered neither reads nor
// writes. Fencing an incarnation removes its key (PREEMPT AND ABORT; where the target refuses
// that, PREEMPT and then LOGICAL UNIT RESET, because PREEMPT alone lets commands that have
// begun go on). A fenced incarnation meets reservation conflicts, which end it: it never
// registers again.
//
// One registrant holds the reservation, and it ends when that one takes its key back. So the
// holder's key stays when it leaves: as long as there is a reservation, nobody who was ever
// fenced can write, even if all others are gone. Whoever fences the holder holds it next. (The
// types that all registrants hold end with the last of them, and a common target forgets them
// when the first holder is preempted.)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/env/block_device.hpp"
#include "iscsi/iscsi_session.hpp"

namespace scoutfs::iscsi {

// A registered key; never 0.
using ReservationKey = std::uint64_t;
// The key of an incarnation. Two incarnations share one with a chance of 2^-64.
ReservationKey key_of(Incarnation who);

class IscsiDevice : public BlockDevice {
 public:
  // Logs in, registers `key`, reserves the unit. Errors: invalid (the URI, a unit that is too
  // small, blocks that do not divide 4096 bytes), disconnected, unsupported (the target has no
  // persistent reservations), fenced (an earlier login with the key was fenced).
  static Task<Result<std::unique_ptr<IscsiDevice>>> open(node::EventLoop& loop, std::string uri,
                                                         ReservationKey key, std::string& why);
  ~IscsiDevice() override;

  std::uint64_t block_count() const override { return block_count_; }
  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override;
  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability durability) override;
  Task<Result<void>> flush() override;

  bool connected() const { return session_ != nullptr && session_->connected(); }
  // Ends the session; what is in flight fails with disconnected.
  void drop();
  // After it returns nothing that failed before is still running at the target. If the session
  // is gone it logs in again as the same initiator, which ends what the old session still had
  // to do. Registers nothing: if the target does not know the key any more, this incarnation is
  // over.
  // Errors: disconnected, invalid (another size), fenced.
  Task<Result<void>> reconnect();

  // How far the target can be relied on.
  struct Capabilities {
    bool preempt_and_abort = true;     // false: a fence resets the unit
    bool survives_power_loss = false;  // keys and the reservation do
  };
  const Capabilities& capabilities() const { return capabilities_; }
  // The keys that are registered. Errors: disconnected, fenced, io_error.
  Task<Result<std::vector<ReservationKey>>> registered();
  // After it returns no command of `victim` runs or will ever run. May be repeated. Errors:
  // disconnected, fenced, io_error; then it may not be fenced.
  Task<Result<void>> fence(ReservationKey victim);
  // Takes the key back, orderly, unless it is the reservation's; the device is of no use
  // afterwards. Errors: disconnected, fenced, io_error.
  Task<Result<void>> leave();

 private:
  IscsiDevice(node::EventLoop& loop, std::string uri, ReservationKey key);
  Task<Result<void>> log_in(std::string& why);
  Task<Result<void>> measure(std::string& why);
  Task<Result<void>> join(std::string& why);
  Task<Result<void>> transfer(std::byte* bytes, std::size_t size, std::uint64_t offset,
                              bool is_write, bool fua);
  Task<Result<void>> transfer_piece(std::byte* bytes, std::size_t size, std::uint64_t offset,
                                    bool is_write, bool fua);
  // A PERSISTENT RESERVE OUT with this service action.
  Task<IscsiSession::Reply> reserve_out(int action, ReservationKey own, ReservationKey other);
  // A PERSISTENT RESERVE IN, with so many bytes of answer at most.
  Task<IscsiSession::Reply> reserve_in(int action, std::uint16_t size);
  // The holder's key; 0: not reserved, or in another way.
  Task<Result<ReservationKey>> holder();
  static Result<void> result_of(const IscsiSession::Reply& reply);

  node::EventLoop& loop_;
  std::string uri_;
  ReservationKey key_;
  std::unique_ptr<IscsiSession> session_;  // null: never logged in
  Capabilities capabilities_;
  std::size_t unit_block_size_ = 0;  // bytes
  std::uint64_t block_count_ = 0;
};

}  // namespace scoutfs::iscsi
