#include "node/host_fencing.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "engine/base/hash.hpp"

namespace scoutfs::node {

namespace {

// Of the host itself, fixed by the kernel.
constexpr std::string_view kHostProcesses = "pid:[4026531836]";

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line.substr(0, 64);
}

struct ProcessState {
  char state = 0;
  std::uint64_t start = 0;  // clock ticks since boot
};

// nullopt: there is no such process.
std::optional<ProcessState> state_of(std::uint64_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  // The second field is the name in parentheses and may hold anything, parentheses too.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= text.size()) return std::nullopt;
  ProcessState state;
  state.state = text[name_end + 2];
  std::size_t at = name_end + 1;
  for (int field = 3; field < 22; ++field) {
    at = text.find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
  }
  std::from_chars(text.data() + at + 1, text.data() + text.size(), state.start);
  return state;
}

// A zombie whose threads are all gone does nothing any more.
bool has_ended(std::uint64_t pid, char state) {
  if (state == 'X') return true;
  if (state != 'Z') return false;
  std::error_code error;
  const std::filesystem::directory_iterator threads(fmt::format("/proc/{}/task", pid), error);
  if (error) return true;
  return std::distance(begin(threads), end(threads)) <= 1;
}

bool runs(const HostId& host) {
  const std::optional<ProcessState> state = state_of(host.process);
  if (!state.has_value() || state->start != host.process_start) return false;
  return !has_ended(host.process, state->state);
}

}  // namespace

HostId host_id() {
  HostId id;
  id.machine = first_line("/etc/machine-id");
  id.boot = first_line("/proc/sys/kernel/random/boot_id");
  id.process = static_cast<std::uint64_t>(getpid());
  const std::optional<ProcessState> state = state_of(id.process);
  if (state.has_value()) id.process_start = state->start;
  std::array<char, 64> space{};
  const ssize_t size = readlink("/proc/self/ns/pid", space.data(), space.size() - 1);
  if (size > 0 && !id.machine.empty() && kHostProcesses != space.data()) {
    id.machine = fmt::format("{} {}", id.machine.substr(0, 32), space.data());
  }
  return id;
}

std::optional<std::uint64_t> process_key(const HostId& host) {
  if (host.machine.empty() || host.boot.empty() || host.process == 0) return std::nullopt;
  const std::uint64_t machine = checksum64(host.machine, 1), boot = checksum64(host.boot, 2);
  return std::max<std::uint64_t>(mix(mix(machine, boot), host.process, host.process_start), 1);
}

bool HostFencing::is_gone(const HostId& host) const {
  if (own_.machine.empty() || host.machine != own_.machine) return false;
  if (own_.boot.empty() || host.boot.empty()) return false;
  return host.boot != own_.boot || !runs(host);
}

Task<Result<bool>> HostFencing::confirm_dead(Incarnation, HostId host) {
  if (!is_gone(host)) co_return false;
  if (host.boot != own_.boot) co_return true;
  co_await Sleep(scheduler_, kGrace);
  co_return !runs(host);
}

}  // namespace scoutfs::node
