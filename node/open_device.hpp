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

// An NBD URI, a block device or an image file; its size is rounded down to whole blocks. On
// failure `why` is a sentence for the operator. Errors: not_found, access_denied (not readable
// or not writable), invalid (not such a thing, too small), io_error; of a URI's server:
// disconnected (refused), timed_out (silent for a minute), interrupted (the cancellation).
Task<Result<std::unique_ptr<BlockDevice>>> open_device(std::string uri_or_path, EventLoop& loop,
                                                       std::string& why,
                                                       Cancellation* cancellation = nullptr);

}  // namespace scoutfs::node
