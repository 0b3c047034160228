// Storage: more doors to the same disk, each under an identity of its own.
#pragma once

#include <memory>

#include "engine/env/block_device.hpp"

namespace scoutfs {

class Storage {
 public:
  virtual ~Storage() = default;
  // A way to the disk whose requests belong to `who`: the storage can fence them and leave
  // those of the mount alone. Where the storage knows no incarnations it is one more
  // connection. Errors: fenced (this one, or a newer term's leader is known), those of opening
  // the device.
  virtual Task<Result<std::unique_ptr<BlockDevice>>> open(Incarnation who) = 0;
};

}  // namespace scoutfs
