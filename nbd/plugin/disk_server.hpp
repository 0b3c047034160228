// DiskServer: one disk, served to many nodes, each under an identity that can be taken from it.
//
// The exports:
//
//   ""                   the disk as it is. Read-only once there is a volume; before, one
//   client
//                        at a time may write (mkfs)
//   "scoutfs-status"     a JSON document, read-only: clients, fences, term
//   "scoutfs/1?..."      an identity (export_name.hpp), by its role:
//       mount, leader    the disk. Refused when fenced; ended when fenced later
//       control          commands (control.hpp)
//       format           the whole disk, writable, for whoever can prove to know the secret of
//       the
//                        volume that is there: mkfs -f. Refused while an identity is connected
//
// A fence is done when, in this order, every request of the victim has ended (later ones are
// refused), the disk is flushed, and the table that names it is durable. Then it is answered.
// Before that the victim is shut out already; if the server dies in between, its next life may
// admit it again, and whoever asked for the fence has no answer and asks again.
//
// Locks: `mutex_` guards the table and the map of gates, and is held while the table is
// written. No request for the disk takes it, and nobody waits for a client while holding it. A
// gate's own lock is taken inside it, never the other way round.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "nbd/export_name.hpp"
#include "nbd/plugin/client_gate.hpp"
#include "nbd/plugin/disk_file.hpp"
#include "nbd/plugin/fence_table.hpp"
#include "nbd/plugin/table_file.hpp"

namespace scoutfs::nbd {

class DiskServer {
 public:
  struct Options {
    std::string disk_path;
    std::string table_path{};  // empty: the disk's path and ".fence"; a device needs one
    unsigned lock_patience_ms = 30'000;   // for an earlier server to end
    unsigned drain_patience_ms = 30'000;  // of a new connection, for the older ones to finish
  };

  // Why something was refused, in words for the server's log.
  using Why = std::string;

  // One connection, whatever its export. Used by one thread at a time; the server outlives it.
  class Connection {
   public:
    virtual ~Connection() = default;
    virtual std::uint64_t size_bytes() const = 0;
    virtual bool writable() const = 0;
    // Whether another connection sees at once what this one flushed.
    virtual bool shared() const { return true; }
    // Errors: fenced (nothing was done, and never will be), io_error, invalid.
    virtual Result<void> read(std::uint64_t offset, std::span<std::byte> out) = 0;
    virtual Result<void> write(std::uint64_t offset, std::span<const std::byte> data,
                               Durability durability) = 0;
    virtual Result<void> flush() = 0;
  };

  // Locks the disk and loads the table, or makes one. Errors: those of DiskFile::open() and
  // TableFile; invalid (a device without a table's path).
  Result<void> start(Options options, Why& why);

  // Errors: not_found (no such export, or no volume to have identities of), access_denied (not
  // signed with the volume's secret), wrong_volume, fenced, stale, busy, no_space, io_error.
  Result<std::unique_ptr<Connection>> open(std::string_view export_name, Why& why);
  Offer offer() const;

  // What the control export does. Errors: io_error; for register_term() and fence() with a
  // term: fenced (a newer term is known).
  Result<void> register_term(Term term, Incarnation leader);
  Result<void> fence(std::optional<Term> term, Incarnation victim);
  // Whether a connection of `who` could be admitted now. Errors: as FenceTable::admit().
  Result<void> may_connect(const Identity& who) const;
  std::string status() const;

 private:
  class IdentityConnection;
  class PlainConnection;
  class TextConnection;

  Result<std::unique_ptr<Connection>> open_plain();
  Result<std::unique_ptr<Connection>> open_identity(const Identity& who, Why& why);
  Result<std::unique_ptr<Connection>> open_format(Why& why);
  Result<std::shared_ptr<ClientGate>> admit(const Identity& who, Why& why);
  Result<void> keep_table(Fsid fsid);
  bool somebody_connected() const;
  std::shared_ptr<ClientGate> new_writer();
  void end_writer();

  Options options_;
  DiskFile disk_;
  TableFile file_;
  std::string boot_;
  mutable std::mutex mutex_;
  FenceTable table_;
  bool unsaved_ = false;  // the table has news that the file may not have
  std::map<Rid, std::shared_ptr<ClientGate>> gates_;  // of what is or was connected, unfenced
  // The one that may write without an identity.
  std::shared_ptr<ClientGate> writer_;
};

// Of the engine's errors, what an NBD client is told: ESHUTDOWN where it must not go on.
int errno_of(Errc code);

}  // namespace scoutfs::nbd
