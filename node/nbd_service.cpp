#include "node/nbd_service.hpp"

#include "engine/lsm/durable_tree.hpp"

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

Task<Result<std::unique_ptr<DeviceLink>>> NbdService::connect(Incarnation who, Role role,
                                                              std::string& why,
                                                              Cancellation* cancellation) {
  const NbdDevice::Patience patience{.cancellation = cancellation};
  if (born_) {
    // Whoever comes later is born later: the server may have forgotten older fences since.
    NbdDevice::Options as_reader;
    as_reader.access = NbdDevice::Access::read_only;
    SCOUTFS_CO_TRY(std::unique_ptr<NbdDevice> plain,
                   co_await NbdDevice::open(loop_, uri_, as_reader, why, patience));
    std::optional<nbd::Ticket> ticket = co_await ticket_for(*plain, ticket_.identity.node);
    if (!ticket.has_value() || ticket->identity.fsid != ticket_.identity.fsid) {
      why = "another disk is there";
      co_return fail(Errc::io_error);
    }
    ticket_ = *std::move(ticket);
  }
  born_ = true;
  NbdDevice::Options as_client;
  as_client.ticket = ticket_;
  as_client.ticket->identity.who = who;
  as_client.ticket->identity.role = role == Role::leader ? nbd::Role::leader : nbd::Role::mount;
  SCOUTFS_CO_TRY(std::unique_ptr<NbdDevice> device,
                 co_await NbdDevice::open(loop_, uri_, std::move(as_client), why, patience));
  co_return std::unique_ptr<DeviceLink>(std::move(device));
}

Task<Result<void>> NbdService::leave(Incarnation who, DeviceLink&) {
  // An epoch that covers the one that it has had since it connected.
  const Incarnation whole{who.rid, Epoch{~std::uint64_t{0}}};
  co_return co_await fencing_.leave(whole);
}

}  // namespace scoutfs::node
