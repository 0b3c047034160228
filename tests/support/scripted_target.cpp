#include "tests/support/scripted_target.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "engine/base/assert.hpp"

namespace scoutfs::testing {

namespace {

constexpr std::size_t kHeaderSize = 48;  // bytes of a basic header segment

// Opcodes of RFC 7143, section 11.2.1.2.
constexpr int kNopOut = 0x00, kScsiCommand = 0x01, kTaskManagement = 0x02, kLogin = 0x03,
              kDataOut = 0x05, kLogout = 0x06;
constexpr int kNopIn = 0x20, kScsiResponse = 0x21, kTaskManagementResponse = 0x22,
              kLoginResponse = 0x23, kDataIn = 0x25, kLogoutResponse = 0x26,
              kReadyToTransfer = 0x31;
constexpr char kImmediate = 0x40;  // outside the order of the numbers

// Of SPC-4 and SBC-3.
constexpr int kTestUnitReady = 0x00, kReadCapacity16 = 0x9e, kReserveIn = 0x5e,
              kReserveOut = 0x5f, kRead16 = 0x88, kWrite16 = 0x8a;
constexpr int kGood = 0x00, kCheckCondition = 0x02, kConflict = 0x18;
constexpr int kReadKeys = 0, kReadReservation = 1;
constexpr int kRegister = 0, kReserve = 1, kPreempt = 4, kPreemptAndAbort = 5;
constexpr char kExclusiveRegistrantsOnly = 6;

std::uint64_t get(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = at; i < at + size; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

void put(std::string& bytes, std::size_t at, std::size_t size, std::uint64_t value) {
  for (std::size_t i = 0; i < size; ++i) {
    bytes[at + i] = static_cast<char>(value >> (8 * (size - 1 - i)));
  }
}

std::string number(std::size_t size, std::uint64_t value) {
  std::string bytes(size, '\0');
  put(bytes, 0, size, value);
  return bytes;
}

bool read_all(int socket, std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(socket, bytes.data() + done, bytes.size() - done);
    if (got <= 0) return false;
    done += static_cast<std::size_t>(got);
  }
  return true;
}

void write_all(int socket, std::string bytes) {
  bytes.resize((bytes.size() + 3) / 4 * 4, '\0');
  [[maybe_unused]] const ssize_t sent =
      ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

}  // namespace

struct ScriptedTarget::Command {
  std::string header;
  std::string data;
  bool immediate() const { return (header[0] & kImmediate) != 0; }
  int opcode() const { return header[0] & 0x3f; }
  std::uint32_t number() const { return static_cast<std::uint32_t>(get(header, 24, 4)); }
  int byte(std::size_t of_cdb) const { return static_cast<unsigned char>(header[32 + of_cdb]); }

  // An answer's header: opcode, the task's tag, and the numbers that keep the window open.
  std::string answer(int code, std::uint32_t status_number, std::size_t data_size = 0) const {
    std::string out(kHeaderSize, '\0');
    out[0] = static_cast<char>(code);
    out[1] = static_cast<char>(0x80);
    put(out, 5, 3, data_size);
    out.replace(16, 4, header, 16, 4);
    put(out, 24, 4, status_number);
    put(out, 28, 4, number() + 1);
    put(out, 32, 4, number() + 64);
    return out;
  }
};

ScriptedTarget::ScriptedTarget() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  SCOUTFS_ASSERT(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  SCOUTFS_ASSERT(::listen(listener_.get(), 4) == 0);
  SCOUTFS_ASSERT(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) ==
                 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::jthread([this] { serve(); });
}

ScriptedTarget::~ScriptedTarget() {
  ::shutdown(listener_.get(), SHUT_RDWR);
}

std::string ScriptedTarget::uri() const {
  return fmt::format("iscsi://127.0.0.1:{}/iqn.2026-11.scoutfs.test:scripted/1", port_);
}

void ScriptedTarget::add_key(std::uint64_t key) {
  const std::lock_guard guard(mutex_);
  keys_.insert(key);
}

std::set<std::uint64_t> ScriptedTarget::keys() const {
  const std::lock_guard guard(mutex_);
  return keys_;
}

std::vector<int> ScriptedTarget::actions() const {
  const std::lock_guard guard(mutex_);
  return actions_;
}

void ScriptedTarget::swallow_next_read() {
  const std::lock_guard guard(mutex_);
  swallows_read_ = true;
}

void ScriptedTarget::swallow_next_write() {
  const std::lock_guard guard(mutex_);
  swallows_write_ = true;
}

std::uint64_t ScriptedTarget::asked_bytes() const {
  const std::lock_guard guard(mutex_);
  return asked_bytes_;
}

void ScriptedTarget::set_silent(bool silent) {
  const std::lock_guard guard(mutex_);
  silent_ = silent;
}

void ScriptedTarget::serve() {
  while (true) {
    const node::UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return;
    serve_connection(socket.get());
  }
}

void ScriptedTarget::serve_connection(int socket) {
  std::optional<std::uint32_t> expected;
  while (true) {
    Command command;
    command.header.assign(kHeaderSize, '\0');
    if (!read_all(socket, command.header)) return;
    command.data.assign((get(command.header, 5, 3) + 3) / 4 * 4, '\0');
    if (!read_all(socket, command.data)) return;
    const bool counts = command.opcode() == kScsiCommand || command.opcode() == kNopOut;
    if (counts && !command.immediate()) {
      if (command.number() != expected.value_or(command.number())) return;
      expected = command.number() + 1;
    }
    const std::lock_guard guard(mutex_);
    if (silent_) continue;
    switch (command.opcode()) {
      case kLogin: {
        // Agrees to whatever stage comes next.
        const std::string keys{"HeaderDigest=None\0DataDigest=None\0", 34};
        std::string out = command.answer(kLoginResponse, status_number_++, keys.size());
        out[1] = command.header[1];
        out.replace(8, 6, command.header, 8, 6);  // the initiator's session id
        put(out, 14, 2, 1);                       // the target's
        put(out, 28, 4, command.number());
        write_all(socket, out + keys);
        break;
      }
      case kNopOut:
        write_all(socket, command.answer(kNopIn, status_number_++));
        break;
      case kTaskManagement: {
        actions_.push_back(kReset);
        std::string out = command.answer(kTaskManagementResponse, status_number_++);
        put(out, 28, 4, command.number());
        write_all(socket, out);
        break;
      }
      case kDataOut:
        asked_bytes_ += get(command.header, 5, 3);
        break;
      case kLogout:
        write_all(socket, command.answer(kLogoutResponse, status_number_++));
        return;
      case kScsiCommand:
        answer_command(socket, command);
        break;
      default:
        return;
    }
  }
}

bool ScriptedTarget::swallow(const Command& command) {
  const bool read = swallows_read_ && command.byte(0) == kRead16;
  const bool write = swallows_write_ && command.byte(0) == kWrite16;
  if (!read && !write) return false;
  if (write) waiting_write_ = command.header;
  swallows_read_ = swallows_write_ = false;
  was_reset_ = true;
  return true;
}

void ScriptedTarget::tell_of_reset(int socket, const Command& command) {
  was_reset_ = false;
  std::string out;
  if (!waiting_write_.empty()) {
    const std::uint64_t had = get(waiting_write_, 5, 3);
    out = command.answer(kReadyToTransfer, status_number_);
    out.replace(16, 4, waiting_write_, 16, 4);
    put(out, 20, 4, 1);  // a transfer tag
    put(out, 40, 4, had);
    put(out, 44, 4, get(waiting_write_, 20, 4) - had);
    waiting_write_.clear();
  }
  // Fixed format, of 18 bytes: unit attention, a reset occurred.
  std::string sense(18, '\0');
  sense[0] = 0x70;
  sense[2] = 0x06;
  sense[7] = 10;
  sense[12] = 0x29;
  std::string answer = command.answer(kScsiResponse, status_number_++, 2 + sense.size());
  answer[3] = static_cast<char>(kCheckCondition);
  write_all(socket, out + answer + number(2, sense.size()) + sense);
}

void ScriptedTarget::answer_command(int socket, const Command& command) {
  if (swallow(command)) return;
  if (was_reset_) return tell_of_reset(socket, command);
  int status = kGood;
  std::string data;
  const int action = command.byte(1) & 0x1f;
  if (command.byte(0) == kReadCapacity16) {
    data = number(8, (16u << 20) / 512 - 1) + number(4, 512) + std::string(20, '\0');
  } else if (command.byte(0) == kRead16) {
    data.assign(get(command.header, 20, 4), '\0');
  } else if (command.byte(0) == kReserveIn && action == kReadKeys) {
    data = number(4, 1) + number(4, 8 * keys_.size());
    for (const std::uint64_t key : keys_) data += number(8, key);
  } else if (command.byte(0) == kReserveIn && action == kReadReservation) {
    data = number(4, 1) + number(4, 16) + number(8, holder_) + std::string(8, '\0');
    data[21] = kExclusiveRegistrantsOnly;
  } else if (command.byte(0) == kReserveIn) {
    data = number(2, 8) + std::string(6, '\0');
  } else if (command.byte(0) == kReserveOut) {
    const std::uint64_t own = get(command.data, 0, 8);
    const std::uint64_t other = get(command.data, 8, 8);
    actions_.push_back(action);
    if (action == kRegister) {
      keys_.insert(other);
    } else if (!keys_.contains(own)) {
      status = kConflict;
    } else if (action == kReserve && holder_ == 0) {
      holder_ = own;
    } else if (action == kPreempt || action == kPreemptAndAbort) {
      if (keys_.erase(other) == 0) status = kConflict;
      if (holder_ == other) holder_ = own;
    }
  } else if (command.byte(0) != kTestUnitReady) {
    status = kCheckCondition;
  }
  if (data.empty()) {
    std::string out = command.answer(kScsiResponse, status_number_++);
    out[3] = static_cast<char>(status);
    return write_all(socket, out);
  }
  data.resize(std::min<std::size_t>(data.size(), get(command.header, 20, 4)));
  std::string out = command.answer(kDataIn, status_number_++, data.size());
  out[1] = static_cast<char>(0x81);  // the last, and the status with it
  put(out, 20, 4, 0xffff'ffff);      // no transfer tag
  write_all(socket, out + data);
}

}  // namespace scoutfs::testing
