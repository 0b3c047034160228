#include "node/disk.hpp"

#include <fmt/core.h>

#include "engine/lsm/durable_tree.hpp"
#include "node/open_device.hpp"

namespace scoutfs::node {

using nbd::NbdDevice;

Task<std::optional<nbd::Ticket>> ticket_for(NbdDevice& plain, std::string node) {
  if (!plain.offer().has_value()) co_return std::nullopt;
  const Result<format::Superblock> volume = co_await lsm::read_superblock(plain);
  if (!volume.has_value()) co_return std::nullopt;
  nbd::Ticket ticket;
  ticket.identity.fsid = volume->fsid;
  ticket.identity.node = node.substr(0, nbd::kNodeNameMax);
  ticket.identity.table = plain.offer()->table;
  ticket.identity.born = plain.offer()->generation;
  ticket.secret.assign(volume->secret.data(), volume->secret.size());
  co_return ticket;
}

Task<Result<std::unique_ptr<Disk>>> Disk::open(EventLoop& loop, Log& log, Options options,
                                               std::string& why, Cancellation* cancellation) {
  std::unique_ptr<Disk> disk(new Disk(loop, log));
  if (!is_nbd_uri(options.device)) {
    SCOUTFS_CO_TRY(disk->device_, co_await open_device(options.device, loop, why));
    co_return disk;
  }
  const NbdDevice::Patience patience{.cancellation = cancellation};
  NbdDevice::Options as_reader;
  as_reader.access = NbdDevice::Access::read_only;
  SCOUTFS_CO_TRY(std::unique_ptr<NbdDevice> plain,
                 co_await NbdDevice::open(loop, options.device, as_reader, why, patience));
  if (!plain->offer().has_value() && !plain->writable()) {
    why = fmt::format("cannot use '{}': the export is read-only", options.device);
    co_return fail(Errc::access_denied);
  }
  std::optional<nbd::Ticket> ticket = co_await ticket_for(*plain, options.node);
  if (!ticket.has_value()) {
    // Where there is no volume, whoever looks for one will say so.
    disk->device_ = std::move(plain);
    co_return disk;
  }
  disk->who_ = {.rid = options.rid, .epoch = Epoch{}};
  ticket->identity.who = disk->who_;
  ticket->identity.role = nbd::Role::mount;
  NbdDevice::Options as_client;
  as_client.ticket = *ticket;
  SCOUTFS_CO_TRY(std::unique_ptr<NbdDevice> link,
                 co_await NbdDevice::open(loop, options.device, as_client, why, patience));
  disk->lasting_ = std::make_unique<LastingDevice>(loop.scheduler(), loop.clock(), log, *link,
                                                   options.lasting);
  disk->device_ = std::move(link);
  disk->storage_ = std::make_unique<StorageFencing>(loop, disk->host_, options.device, *ticket);
  co_return disk;
}

Task<void> Disk::leave() {
  if (storage_ == nullptr) co_return;
  // An epoch that covers the one the mount has had since.
  const Incarnation who{who_.rid, Epoch{~std::uint64_t{0}}};
  const Result<void> left = co_await storage_->leave(who);
  if (left.has_value()) co_return;
  log_.warn("the disk server did not hear of the unmount: {}", to_string(left.error().code));
}

}  // namespace scoutfs::node
