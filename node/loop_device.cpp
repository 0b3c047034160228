#include "node/loop_device.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "node/open_device.hpp"

namespace scoutfs::node {

namespace {

constexpr off_t kSize = 4096;     // bytes: a block of every size that a kernel may ask for
constexpr int kAttemptsMax = 64;  // others may be faster

UniqueFd open_path(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
}

// None: errno says why.
UniqueFd open_backing(const std::string& volume) {
  if (!is_uri(volume)) return open_path(volume);
  UniqueFd memory(memfd_create("scoutfs", MFD_CLOEXEC));
  if (memory && ftruncate(memory.get(), kSize) != 0) memory.reset();
  return memory;
}

// False: errno says why, EBUSY if somebody else took the device meanwhile.
bool attach(int device, int backing) {
  loop_config config{};
  config.fd = static_cast<__u32>(backing);
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
  constexpr char kName[] = "scoutfs";
  std::copy(std::begin(kName), std::end(kName), config.info.lo_file_name);
  return ioctl(device, LOOP_CONFIGURE, &config) == 0;
}

}  // namespace

Result<LoopDevice> LoopDevice::make(const std::string& volume, std::string& why) {
  const auto give_up = [&why](const std::string& what) {
    why = fmt::format("{}: {}", what, std::strerror(errno));
    return fail(Errc::unsupported);
  };
  const UniqueFd backing = open_backing(volume);
  if (!backing) return give_up("nothing to lay it over");
  const UniqueFd control = open_path("/dev/loop-control");
  if (!control) return give_up("cannot open /dev/loop-control");
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return give_up("no free loop device");
    const std::string path = fmt::format("/dev/loop{}", number);
    UniqueFd device = open_path(path);
    if (!device) return give_up("cannot open " + path);
    if (attach(device.get(), backing.get())) return LoopDevice(std::move(device), path);
    if (errno != EBUSY) return give_up("cannot set up " + path);
  }
  return give_up("others take every free loop device");
}

NamedDevice::NamedDevice(const std::string& run_directory, const std::string& name,
                         const LoopDevice& device)
    : source_(device.path()) {
  namespace files = std::filesystem;
  const files::path path(name);
  const bool leaves = std::ranges::find(path, files::path("..")) != path.end();
  if (!is_uri(name) || leaves || !path.has_filename()) return;
  std::string directory = run_directory + "/name.XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return;
  directory_ = std::move(directory);
  std::error_code error;
  files::create_directories(directory_ / path.parent_path(), error);
  if (!error) files::create_symlink(device.path(), directory_ / path, error);
  if (error) return;
  before_.reset(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (before_ && chdir(directory_.c_str()) == 0) source_ = name;
}

NamedDevice::~NamedDevice() {
  if (before_) {
    [[maybe_unused]] const int back = fchdir(before_.get());
  }
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

}  // namespace scoutfs::node
