// LoopDevice: a block device of a mount's own, which nobody reads or writes.
//
// A FUSE mount on a block device (type fuseblk) is told of sync(2) and syncfs(2); a plain one
// is not. The device must be the mount's own: a second mount of the same device would be the
// first one over again.
//
// No device can be left behind: the kernel takes it apart when the last who has it open,
// process or mount, is gone, however that came about.
#pragma once

#include <string>

#include "engine/base/result.hpp"
#include "node/loop/unique_fd.hpp"

namespace scoutfs::node {

class LoopDevice {
 public:
  // Over the file or device that the volume is on, so that mount(8) finds which that is; over a
  // page of memory without a name for a volume behind a URI. Errors: unsupported (this host
  // gives none: no loop devices, or not to us); `why` says what failed.
  static Result<LoopDevice> make(const std::string& volume, std::string& why);

  // Until the object dies; a mount on it keeps it from then on.
  const std::string& path() const { return path_; }

 private:
  LoopDevice(UniqueFd device, std::string path)
      : device_(std::move(device)), path_(std::move(path)) {}

  UniqueFd device_;
  std::string path_;
};

// While this lives, the process's current directory is one in which `name`, a URI, is a
// relative path to `device`. A mount on the device by that path shows the URI as its source,
// and mount(8) knows it for the one that a line of fstab names.
class NamedDevice {
 public:
  // Makes a directory in `run_directory` and removes it at the end.
  NamedDevice(const std::string& run_directory, const std::string& name,
              const LoopDevice& device);
  NamedDevice(const NamedDevice&) = delete;
  NamedDevice& operator=(const NamedDevice&) = delete;
  ~NamedDevice();

  // What to mount: the name, or the device's own path where that cannot be had.
  const std::string& source() const { return source_; }

 private:
  UniqueFd before_;  // the current directory that was
  std::string directory_;
  std::string source_;
};

}  // namespace scoutfs::node
