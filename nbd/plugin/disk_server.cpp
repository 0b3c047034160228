#include "nbd/plugin/disk_server.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "nbd/plugin/control.hpp"

namespace scoutfs::nbd {

namespace {

std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::uint64_t new_table_id() {
  std::random_device random;
  std::uint64_t id = 0;
  while (id == 0) id = (static_cast<std::uint64_t>(random()) << 32) | random();
  return id;
}

std::string boot_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string line;
  std::getline(in, line);
  return line.substr(0, 64);
}

std::string hex(std::uint64_t id) {
  return fmt::format("{:016x}", id);
}

}  // namespace

int errno_of(Errc code) {
  switch (code) {
    case Errc::fenced:
    case Errc::stale:
      return ESHUTDOWN;
    case Errc::invalid:
    case Errc::out_of_range:
      return EINVAL;
    case Errc::access_denied:
      return EPERM;
    default:
      return EIO;
  }
}

// ---- Connections ----

// The disk, behind a gate.
class DiskServer::IdentityConnection final : public Connection {
 public:
  IdentityConnection(DiskServer& server, std::shared_ptr<ClientGate> gate,
                     ClientGate::Session session)
      : server_(server), gate_(std::move(gate)), session_(session) {}
  ~IdentityConnection() override {
    gate_->disconnect(session_);
    server_.end_writer();
  }

  std::uint64_t size_bytes() const override { return server_.disk_.size_bytes(); }
  bool writable() const override { return true; }
  Result<void> read(std::uint64_t offset, std::span<std::byte> out) override {
    return inside(ClientGate::Kind::read, [&] { return server_.disk_.read(offset, out); });
  }
  Result<void> write(std::uint64_t offset, std::span<const std::byte> data,
                     Durability durability) override {
    return inside(ClientGate::Kind::write,
                  [&] { return server_.disk_.write(offset, data, durability); });
  }
  Result<void> flush() override {
    return inside(ClientGate::Kind::flush, [&] { return server_.disk_.flush(); });
  }

 private:
  template <class Request>
  Result<void> inside(ClientGate::Kind kind, const Request& request) {
    if (!gate_->enter(session_, kind, wall_ns())) return fail(Errc::fenced);
    const Result<void> result = request();
    gate_->leave(session_);
    return result;
  }

  DiskServer& server_;
  std::shared_ptr<ClientGate> gate_;
  ClientGate::Session session_;
};

// The disk, read-only.
class DiskServer::PlainConnection final : public Connection {
 public:
  explicit PlainConnection(const DiskFile& disk) : disk_(disk) {}
  std::uint64_t size_bytes() const override { return disk_.size_bytes(); }
  bool writable() const override { return false; }
  Result<void> read(std::uint64_t offset, std::span<std::byte> out) override {
    return disk_.read(offset, out);
  }
  Result<void> write(std::uint64_t, std::span<const std::byte>, Durability) override {
    return fail(Errc::access_denied);
  }
  Result<void> flush() override { return {}; }

 private:
  const DiskFile& disk_;
};

// A text that was made when the connection was.
class DiskServer::TextConnection final : public Connection {
 public:
  explicit TextConnection(std::string text) : text_(std::move(text)) {}
  std::uint64_t size_bytes() const override { return text_.size(); }
  bool writable() const override { return false; }
  Result<void> read(std::uint64_t offset, std::span<std::byte> out) override {
    if (offset > text_.size() || out.size() > text_.size() - offset) return fail(Errc::invalid);
    std::memcpy(out.data(), text_.data() + offset, out.size());
    return {};
  }
  Result<void> write(std::uint64_t, std::span<const std::byte>, Durability) override {
    return fail(Errc::access_denied);
  }
  Result<void> flush() override { return {}; }

 private:
  std::string text_;
};

// ---- Starting ----

Result<void> DiskServer::start(Options options, Why& why) {
  options_ = std::move(options);
  SCOUTFS_CHECK(disk_.open(options_.disk_path, options_.lock_patience_ms, why));
  if (options_.table_path.empty()) {
    if (disk_.is_block_device()) {
      why = fmt::format("'{}' is a device: give table=PATH, a file on this host that survives",
                        options_.disk_path);
      return fail(Errc::invalid);
    }
    options_.table_path = options_.disk_path + ".fence";
  }
  file_ = TableFile(options_.table_path);
  boot_ = boot_id();
  Result<FenceTable> table = file_.load();
  if (failed_with(table, Errc::not_found)) {
    // Incarnations of an earlier table are refused by its id.
    table = FenceTable(new_table_id());
    unsaved_ = true;
  }
  if (!table.has_value()) {
    why = fmt::format(
        "the fence table '{}' cannot be read ({}). With it gone every mount must be made anew: "
        "move it away to go on",
        options_.table_path, to_string(table.error().code));
    return std::unexpected(table.error());
  }
  table_ = std::move(*table);
  if (!unsaved_) return {};
  const Result<void> stored = file_.store(table_);
  if (!stored.has_value()) {
    why = fmt::format("cannot write the fence table '{}'", options_.table_path);
    return stored;
  }
  unsaved_ = false;
  return {};
}

Offer DiskServer::offer() const {
  const std::lock_guard lock(mutex_);
  return {.table = table_.id(), .generation = table_.generation(), .boot = boot_};
}

// Requires: mutex_ is held.
Result<void> DiskServer::keep_table(Fsid fsid) {
  if (fsid && table_.fsid() != fsid) {
    table_.reset(fsid);
    gates_.clear();
    unsaved_ = true;
  }
  if (!unsaved_) return {};
  SCOUTFS_CHECK(file_.store(table_));
  unsaved_ = false;
  return {};
}

// ---- Opening ----

Result<std::unique_ptr<DiskServer::Connection>> DiskServer::open(std::string_view export_name,
                                                                 Why& why) {
  why.clear();
  if (export_name.empty()) return open_plain();
  if (export_name == kStatusExport) return std::make_unique<TextConnection>(status());
  const Result<Identity> who = parse_identity(export_name);
  if (!who.has_value()) {
    why = "no such export";
    return fail(Errc::not_found);
  }
  SCOUTFS_TRY(const FoundVolume volume, disk_.find_volume());
  if (volume.kind != FoundVolume::Kind::known) {
    why = "there is no volume of this version to be a client of";
    return fail(Errc::not_found);
  }
  if (who->fsid != volume.fsid) {
    why = fmt::format("the volume is {}, not {}", hex(volume.fsid.value), hex(who->fsid.value));
    return fail(Errc::wrong_volume);
  }
  if (!verify(export_name, volume.secret)) {
    why = "the identity is not signed with the volume's secret";
    return fail(Errc::access_denied);
  }
  switch (who->role) {
    case Role::mount:
    case Role::leader:
      return open_identity(*who, why);
    case Role::control:
      return std::make_unique<ControlConnection>(*this, *who);
    case Role::format:
      return open_format(why);
  }
  return fail(Errc::not_found);
}

Result<std::unique_ptr<DiskServer::Connection>> DiskServer::open_plain() {
  SCOUTFS_TRY(const FoundVolume volume, disk_.find_volume());
  const std::lock_guard lock(mutex_);
  if (volume.kind != FoundVolume::Kind::none || writer_ != nullptr) {
    return std::make_unique<PlainConnection>(disk_);
  }
  return std::make_unique<IdentityConnection>(*this, new_writer(), ClientGate::Session{});
}

Result<std::unique_ptr<DiskServer::Connection>> DiskServer::open_format(Why& why) {
  const std::lock_guard lock(mutex_);
  if (somebody_connected()) {
    why = "the volume is in use: a client that is not fenced is connected";
    return fail(Errc::busy);
  }
  if (writer_ != nullptr) {
    why = "somebody else writes the disk already";
    return fail(Errc::busy);
  }
  return std::make_unique<IdentityConnection>(*this, new_writer(), ClientGate::Session{});
}

// Requires: mutex_ is held, and there is no writer.
std::shared_ptr<ClientGate> DiskServer::new_writer() {
  SCOUTFS_ASSERT(writer_ == nullptr);
  writer_ = std::make_shared<ClientGate>();
  const Result<void> connected = writer_->connect({}, wall_ns(), 0);
  SCOUTFS_ASSERT(connected.has_value());
  return writer_;
}

void DiskServer::end_writer() {
  const std::lock_guard lock(mutex_);
  if (writer_ != nullptr && writer_->activity().connections == 0) writer_.reset();
  std::erase_if(gates_, [](const auto& entry) {
    const ClientGate::Activity activity = entry.second->activity();
    return activity.connections == 0 && activity.shut;
  });
}

// Requires: mutex_ is held.
bool DiskServer::somebody_connected() const {
  for (const auto& [rid, gate] : gates_) {
    const ClientGate::Activity activity = gate->activity();
    if (activity.connections > 0 && !activity.shut) return true;
  }
  return false;
}

// Who passes is registered durably.
Result<std::shared_ptr<ClientGate>> DiskServer::admit(const Identity& who, Why& why) {
  const std::lock_guard lock(mutex_);
  SCOUTFS_CHECK(keep_table(who.fsid));
  const Result<bool> news = table_.admit(who);
  if (!news.has_value()) {
    why = fmt::format("{} {}.{} of '{}' is refused: {}", to_string(who.role),
                      hex(who.who.rid.value), who.who.epoch.value, who.node,
                      to_string(news.error().code));
    return std::unexpected(news.error());
  }
  if (*news) unsaved_ = true;
  SCOUTFS_CHECK(keep_table(who.fsid));
  std::shared_ptr<ClientGate>& gate = gates_[who.who.rid];
  if (gate == nullptr) gate = std::make_shared<ClientGate>();
  return gate;
}

Result<std::unique_ptr<DiskServer::Connection>> DiskServer::open_identity(const Identity& who,
                                                                          Why& why) {
  SCOUTFS_TRY(const std::shared_ptr<ClientGate> gate, admit(who, why));
  std::shared_ptr<ClientGate> writer;
  {
    const std::lock_guard lock(mutex_);
    writer = writer_;
  }
  if (writer != nullptr) {
    // There is a volume, and it is used: whoever made it has done so.
    writer->shut(Epoch{});
    writer->drain(Epoch{});
  }
  const ClientGate::Session session{who.who.epoch, who.session};
  const Result<void> connected = gate->connect(session, wall_ns(), options_.drain_patience_ms);
  if (!connected.has_value()) {
    why = fmt::format("session {} of {} {}.{} is refused: {}", who.session, to_string(who.role),
                      hex(who.who.rid.value), who.who.epoch.value,
                      to_string(connected.error().code));
    return std::unexpected(connected.error());
  }
  return std::make_unique<IdentityConnection>(*this, gate, session);
}

// ---- Control ----

Result<void> DiskServer::register_term(Term term, Incarnation leader) {
  const std::lock_guard lock(mutex_);
  SCOUTFS_TRY(const bool news, table_.register_term(term, leader));
  if (news) unsaved_ = true;
  return keep_table(Fsid{});
}

Result<void> DiskServer::fence(std::optional<Term> term, Incarnation victim) {
  std::shared_ptr<ClientGate> gate;
  {
    const std::lock_guard lock(mutex_);
    if (term.has_value() && !table_.term_may_act(*term)) return fail(Errc::fenced);
    if (table_.fence(victim)) unsaved_ = true;
    const auto found = gates_.find(victim.rid);
    if (found != gates_.end()) gate = found->second;
    if (gate != nullptr) gate->shut(victim.epoch);
  }
  if (gate != nullptr) gate->drain(victim.epoch);
  // Also when it was fenced before: an earlier attempt may have ended half-way.
  SCOUTFS_CHECK(disk_.flush());
  const std::lock_guard lock(mutex_);
  return keep_table(Fsid{});
}

Result<void> DiskServer::may_connect(const Identity& who) const {
  const std::lock_guard lock(mutex_);
  FenceTable table = table_;
  const Result<bool> admitted = table.admit(who);
  if (!admitted.has_value()) return std::unexpected(admitted.error());
  return {};
}

std::string DiskServer::status() const {
  const std::lock_guard lock(mutex_);
  nlohmann::json clients = nlohmann::json::array();
  for (const auto& [rid, entry] : table_.registered()) {
    nlohmann::json client{{"rid", hex(rid.value)},
                          {"epoch", entry.epoch.value},
                          {"role", std::string(to_string(entry.role))},
                          {"node", entry.node},
                          {"connections", 0}};
    const auto gate = gates_.find(rid);
    if (gate != gates_.end()) {
      const ClientGate::Activity activity = gate->second->activity();
      client["connections"] = activity.connections;
      client["session"] = activity.session.number;
      client["in_flight"] = activity.in_flight;
      client["reads"] = activity.reads;
      client["writes"] = activity.writes;
      client["flushes"] = activity.flushes;
      client["since_ns"] = activity.since_ns;
      client["last_io_ns"] = activity.last_io_ns;
    }
    clients.push_back(std::move(client));
  }
  nlohmann::json fenced = nlohmann::json::array();
  for (const auto& [rid, epoch] : table_.fenced()) {
    fenced.push_back({{"rid", hex(rid.value)}, {"epoch", epoch.value}});
  }
  const nlohmann::json out{
      {"version", 1},
      {"fsid", hex(table_.fsid().value)},
      {"table", hex(table_.id())},
      {"generation", table_.generation()},
      {"floor", table_.floor()},
      {"boot", boot_},
      {"term", {{"number", table_.term().number}, {"slot", table_.term().slot}}},
      {"clients", std::move(clients)},
      {"fenced", std::move(fenced)}};
  return out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace scoutfs::nbd
