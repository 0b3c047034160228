// Opens whatever an operator may name as the device of a volume.
#pragma once

#include <memory>
#include <string>

#include "engine/async/task.hpp"
#include "engine/env/block_device.hpp"
#include "node/loop/event_loop.hpp"

namespace scoutfs::node {

// True for what names a network block device: nbd://, nbds://, nbd+unix://, nbds+unix://, ...
bool is_nbd_uri(const std::string& name);
// True for iscsi://...
bool is_iscsi_uri(const std::string& name);
// True for a disk that a server has, and not a file or device of this host.
bool is_uri(const std::string& name);

// An NBD or iSCSI URI, a block device or an image file; its size is rounded down to whole
// blocks. At an iSCSI target it is a guest's (iscsi/iscsi_device.hpp). On failure `why` is a
// sentence for the operator. Errors: not_found, access_denied (not readable or not writable),
// invalid (not such a thing, too small), io_error; of a URI's server: disconnected (refused),
// timed_out (silent for a minute), interrupted (the cancellation), fenced (a unit is reserved
// by others that this program cannot share it with).
Task<Result<std::unique_ptr<BlockDevice>>> open_device(std::string uri_or_path, EventLoop& loop,
                                                       std::string& why,
                                                       Cancellation* cancellation = nullptr);

}  // namespace scoutfs::node
