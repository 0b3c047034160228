#include "node/disk.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/lsm/durable_tree.hpp"
#include "node/agent_fencing.hpp"
#include "node/iscsi_service.hpp"
#include "node/nbd_service.hpp"
#include "node/no_fencing.hpp"
#include "node/open_device.hpp"

namespace scoutfs::node {

using iscsi::IscsiDevice;
using nbd::NbdDevice;

// A connection that comes back. Its link is the disk's, for the goodbye.
class Disk::Way final : public BlockDevice {
 public:
  Way(Disk& disk, Client& client)
      : client_(client),
        lasting_(disk.loop_.scheduler(), disk.loop_.clock(), disk.log_, *client.link,
                 disk.options_.lasting) {}
  ~Way() override { client_.closed = true; }

  std::uint64_t block_count() const override { return lasting_.block_count(); }
  [[clang::coro_wrapper]] Task<Result<void>> read(BlockNo first,
                                                  std::span<std::byte> out) override {
    return lasting_.read(first, out);
  }
  [[clang::coro_wrapper]] Task<Result<void>> write(BlockNo first,
                                                   std::span<const std::byte> data,
                                                   Durability durability) override {
    return lasting_.write(first, data, durability);
  }
  [[clang::coro_wrapper]] Task<Result<void>> flush() override { return lasting_.flush(); }
  bool connected() const { return lasting_.connected(); }

 private:
  Client& client_;
  LastingDevice lasting_;
};

Disk::Disk(EventLoop& loop, Log& log, Options options)
    : loop_(loop),
      log_(log),
      options_(std::move(options)),
      host_(loop.scheduler(), host_id()) {}

Task<Result<std::unique_ptr<Disk>>> Disk::open(EventLoop& loop, Log& log, Options options,
                                               std::string& why, Cancellation* cancellation) {
  std::unique_ptr<Disk> disk(new Disk(loop, log, std::move(options)));
  SCOUTFS_CO_CHECK(co_await disk->open_mounts(why, cancellation));
  co_return disk;
}

Task<Result<void>> Disk::open_mounts(std::string& why, Cancellation* cancellation) {
  SCOUTFS_CO_CHECK(co_await find_service(why, cancellation));
  SCOUTFS_CO_CHECK(choose_fencing(why));
  if (service_ == nullptr) co_return Result<void>{};
  // Its epoch is not known before it has a slot.
  const Incarnation who{.rid = options_.rid, .epoch = Epoch{}};
  SCOUTFS_CO_TRY(std::unique_ptr<Way> way,
                 co_await connect(who, DiskService::Role::mount, why, cancellation));
  way_ = way.get();
  device_ = std::move(way);
  co_return Result<void>{};
}

// As a guest, until it is known that there is a volume: others' units are left as they are.
Task<Result<void>> Disk::find_iscsi(std::string& why) {
  SCOUTFS_CO_TRY(std::unique_ptr<BlockDevice> plain,
                 co_await open_device(options_.device, loop_, why));
  const Result<format::Superblock> volume = co_await lsm::read_superblock(*plain);
  const Result<void> left = co_await static_cast<IscsiDevice&>(*plain).leave();
  if (!left.has_value()) log_.warn("a key stays registered: {}", to_string(left.error().code));
  if (volume.has_value()) {
    service_ = std::make_unique<IscsiService>(loop_, log_, host_, options_.device);
  } else {
    device_ = std::move(plain);
  }
  co_return Result<void>{};
}

// Finds the service; or opens the device as it is. Where there is no volume, whoever looks for
// one will say so.
Task<Result<void>> Disk::find_service(std::string& why, Cancellation* cancellation) {
  if (is_iscsi_uri(options_.device)) co_return co_await find_iscsi(why);
  if (!is_nbd_uri(options_.device)) {
    // Before the first read: others may have reserved it.
    SCOUTFS_CO_TRY(reservation_, BlockReservation::open(loop_, host_, options_.device,
                                                        BlockReservation::Role::member, why));
    SCOUTFS_CO_TRY(device_, co_await open_device(options_.device, loop_, why));
    co_return Result<void>{};
  }
  const NbdDevice::Patience patience{.cancellation = cancellation};
  NbdDevice::Options as_reader;
  as_reader.access = NbdDevice::Access::read_only;
  SCOUTFS_CO_TRY(std::unique_ptr<NbdDevice> plain,
                 co_await NbdDevice::open(loop_, options_.device, as_reader, why, patience));
  if (!plain->offer().has_value() && !plain->writable()) {
    why = fmt::format("cannot use '{}': the export is read-only", options_.device);
    co_return fail(Errc::access_denied);
  }
  std::optional<nbd::Ticket> ticket = co_await ticket_for(*plain, options_.node);
  if (ticket.has_value()) {
    service_ = std::make_unique<NbdService>(loop_, host_, options_.device, *std::move(ticket));
  } else {
    device_ = std::move(plain);
  }
  co_return Result<void>{};
}

Task<Result<std::unique_ptr<Disk::Way>>> Disk::connect(Incarnation who, DiskService::Role role,
                                                       std::string& why,
                                                       Cancellation* cancellation) {
  // Whoever left earlier says so now.
  std::list<Client> closed;
  for (auto at = clients_.begin(); at != clients_.end();) {
    const auto next = std::next(at);
    if (at->closed) closed.splice(closed.end(), clients_, at);
    at = next;
  }
  for (Client& client : closed) co_await say_goodbye(client);
  SCOUTFS_CO_TRY(std::unique_ptr<DeviceLink> link,
                 co_await service_->connect(who, role, why, cancellation));
  clients_.push_back({.who = who, .link = std::move(link)});
  co_return std::make_unique<Way>(*this, clients_.back());
}

Task<Result<std::unique_ptr<BlockDevice>>> Disk::open_as(Incarnation who, std::string& why) {
  if (service_ == nullptr) co_return co_await open_device(options_.device, loop_, why);
  SCOUTFS_CO_TRY(std::unique_ptr<Way> way,
                 co_await connect(who, DiskService::Role::leader, why, nullptr));
  co_return std::unique_ptr<BlockDevice>(std::move(way));
}

Result<void> Disk::choose_fencing(std::string& why) {
  if (options_.fence.by == FenceChoice::By::device) return {};
  if (service_ != nullptr || reservation_ != nullptr) {
    why =
        fmt::format("'{}' fences by itself: mount without the option fence=", options_.device);
    return fail(Errc::invalid);
  }
  if (options_.fence.by == FenceChoice::By::nobody) {
    chosen_ = std::make_unique<NoFencing>(log_, host_, *device_);
    return {};
  }
  if (access(options_.fence.agent.c_str(), X_OK) != 0) {
    why = fmt::format("the fence agent '{}' cannot be run: {}", options_.fence.agent,
                      std::strerror(errno));
    return fail(Errc::invalid);
  }
  AgentFencing::Options options;
  options.program = options_.fence.agent;
  chosen_ = std::make_unique<AgentFencing>(loop_, log_, host_, *device_, std::move(options));
  return {};
}

Fencing& Disk::fencing() {
  if (chosen_ != nullptr) return *chosen_;
  if (service_ != nullptr) return service_->fencing();
  if (reservation_ != nullptr) return *reservation_;
  return host_;
}

bool Disk::connected() const {
  return way_ == nullptr || way_->connected();
}

Task<void> Disk::leave() {
  for (Client& client : clients_) co_await say_goodbye(client);
  if (reservation_ != nullptr) note_goodbye(reservation_->leave());
}

Task<void> Disk::say_goodbye(Client& client) {
  const Result<void> said = co_await service_->leave(client.who, *client.link);
  note_goodbye(said);
}

void Disk::note_goodbye(const Result<void>& said) {
  // Who was fenced is listed no more.
  if (said.has_value() || failed_with(said, Errc::fenced)) return;
  log_.warn("the disk's server did not hear of the goodbye: {}", to_string(said.error().code));
}

}  // namespace scoutfs::node
