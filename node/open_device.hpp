// Opens whatever an operator may name as the device of a volume.
#pragma once

#include <memory>
#include <string>

#include "engine/env/block_device.hpp"
#include "node/loop/event_loop.hpp"

namespace scoutfs::node {

// True for what names a network block device: nbd://, nbds://, nbd+unix://, nbds+unix://, ...
bool is_nbd_uri(const std::string& name);

// An NBD URI, a block device or an image file; its size is rounded down to whole blocks. Waits
// for the server of a URI. On failure `why` is a sentence for the operator. Errors: not_found,
// access_denied (not readable or not writable), invalid (not such a thing, too small),
// disconnected (connection refused), io_error.
Result<std::unique_ptr<BlockDevice>> open_device(const std::string& uri_or_path,
                                                 EventLoop& loop, std::string& why);

}  // namespace scoutfs::node
