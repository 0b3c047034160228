// IscsiDevice: a BlockDevice behind an iSCSI target, and the reservations that fence others.
//
// Every user of the unit registers a key, its own for each incarnation, and the unit is
// reserved with exclusive access for registrants only: who is not registered neither reads nor
// writes. Fencing an incarnation removes its key (PREEMPT AND ABORT; where the target refuses
// that, PREEMPT and then LOGICAL UNIT RESET, because PREEMPT alone lets commands that have
// begun go on). A fenced incarnation meets reservation conflicts, which end it.
//
// One registrant holds the reservation, and it ends when that one takes its key back. So the
// holder's key stays when it leaves: as long as there is a reservation, nobody who was ever
// fenced can write, even if all others are gone. Whoever fences the holder holds it next. (The
// types that all registrants hold end with the last of them, and a common target forgets them
// when the first holder is preempted.)
//
// A connection that was lost comes back as the same initiator port. If the target has forgotten
// the registration meanwhile (it was started anew, or binds registrations to sessions), the
// device registers once more and then looks at its claim (iscsi/claims.hpp), before anything
// else is sent: a fence empties the claim first and takes the key then, so either the claim is
// gone, and the device is over, or the fence is still to find the key.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/env/lasting_device.hpp"
#include "iscsi/claims.hpp"
#include "iscsi/iscsi_session.hpp"

namespace scoutfs::iscsi {

// The key of a mount or of a leader: its rid, which nobody else draws.
ReservationKey key_of(Rid rid);

class IscsiDevice final : public DeviceLink {
 public:
  enum class Role : std::uint8_t {
    member,  // registers and reserves the unit
    guest,   // registers if others have reserved the unit, and reserves nothing
  };
  // Logs in. Errors: invalid (the URI, a unit that is too small, blocks that do not divide 4096
  // bytes), disconnected, unsupported (the target has no persistent reservations), fenced (an
  // earlier login with the key was fenced, or the unit is reserved in another way).
  static Task<Result<std::unique_ptr<IscsiDevice>>> open(node::EventLoop& loop, std::string uri,
                                                         ReservationKey key, Role role,
                                                         std::string& why);
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
  // to do.
  // Errors: disconnected, invalid (another size), fenced; stale (the session was lost while
  // answered writes were in a cache of the target that may have gone with it).
  Task<Result<void>> reconnect() override;

  // How far the target can be relied on.
  struct Capabilities {
    bool preempt_and_abort = true;     // false: a fence resets the unit
    bool survives_power_loss = false;  // keys and the reservation do
    bool volatile_cache = true;        // answered writes may be lost unless flushed
  };
  const Capabilities& capabilities() const { return capabilities_; }
  ReservationKey key() const { return key_; }
  // The keys that are registered. Errors: disconnected, fenced, io_error.
  Task<Result<std::vector<ReservationKey>>> registered();
  // The holder's key; 0: the unit is not reserved, or in another way. Errors: likewise.
  Task<Result<ReservationKey>> holder();
  // Makes the device one that may register again after the target forgot it. True unless all
  // cells are taken. Requires: a volume is on the unit, whose first blocks are the claims'.
  // Errors: likewise.
  Task<Result<bool>> claim();
  // After it returns no command of `victim` runs or will ever run. May be repeated. Errors:
  // likewise; then it may not be fenced.
  Task<Result<void>> fence(ReservationKey victim);
  // Fences whoever else is registered, if anybody is: then it registers and reserves itself.
  // Nobody's claim is left. Errors: likewise.
  Task<Result<void>> take_over(std::string& why);
  // Takes the key back, orderly, unless it is the reservation's; the device is of no use
  // afterwards. Errors: likewise.
  Task<Result<void>> leave();

 private:
  using Session = std::shared_ptr<IscsiSession>;
  IscsiDevice(node::EventLoop& loop, std::string uri, ReservationKey key);
  Task<Result<Session>> log_in(std::string& why);
  Task<Result<void>> measure(Session session, std::string& why);
  Task<Result<void>> look_at_cache(Session session);
  Task<Result<void>> join(Session session, std::string& why);
  Task<Result<void>> register_key(Session session, std::string& why);
  Task<Result<void>> reserve(Session session, std::string& why);
  Task<Result<void>> register_again(Session session);
  Task<Result<void>> transfer(Session session, std::byte* bytes, std::size_t size,
                              std::uint64_t offset, bool is_write, bool fua);
  Task<Result<void>> transfer_piece(Session session, std::byte* bytes, std::size_t size,
                                    std::uint64_t offset, bool is_write, bool fua);
  Task<Result<Claims>> read_claims(Session session);
  Task<Result<void>> write_claim(Session session, std::size_t cell, ReservationKey key);
  Task<Result<void>> empty_claims_of(Session session, ReservationKey key);
  // A PERSISTENT RESERVE OUT with this service action.
  Task<IscsiSession::Reply> reserve_out(Session session, int action, ReservationKey own,
                                        ReservationKey other);
  // A PERSISTENT RESERVE IN, with so many bytes of answer at most.
  Task<IscsiSession::Reply> reserve_in(Session session, int action, std::uint16_t size);
  Task<Result<std::vector<ReservationKey>>> registered(Session session);
  Task<Result<ReservationKey>> holder(Session session);
  static Result<void> result_of(const IscsiSession::Reply& reply);

  node::EventLoop& loop_;
  std::string uri_;
  ReservationKey key_;
  // That anything but a login uses. While one is being made anew, the old one, which is lost:
  // what it fails with says so. Never null once open.
  Session session_;
  Capabilities capabilities_;
  std::size_t unit_block_size_ = 0;  // bytes
  std::uint64_t block_count_ = 0;
  bool registered_ = false;  // once, with this key
  std::optional<std::size_t> cell_;
  // Of writes that were answered and need a flush: so many, and so many of them were flushed.
  std::uint64_t written_ = 0;
  std::uint64_t flushed_ = 0;
};

}  // namespace scoutfs::iscsi
