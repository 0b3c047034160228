// DiskService: what the server of a disk offers beyond blocks. It knows its clients by their
// incarnations, lets a connection be followed by another of the same client, and fences.
#pragma once

#include <memory>
#include <string>

#include "engine/env/fencing.hpp"
#include "engine/env/lasting_device.hpp"

namespace scoutfs::node {

class DiskService {
 public:
  enum class Role : std::uint8_t { mount, leader };

  virtual ~DiskService() = default;
  // What fences through it. It is used while a connection of this process is there.
  virtual Fencing& fencing() = 0;
  // A connection of an incarnation that never had one. Several of one process may be there at
  // the same time. On failure `why` is a sentence for the operator. Errors: as open_device();
  // fenced.
  virtual Task<Result<std::unique_ptr<DeviceLink>>> connect(Incarnation who, Role role,
                                                            std::string& why,
                                                            Cancellation* cancellation) = 0;
  // A goodbye: the incarnation never connects again. `link` is its own, has no request in
  // flight and gets none. Errors: io_error, disconnected, fenced; then it stays listed until it
  // is fenced.
  virtual Task<Result<void>> leave(Incarnation who, DeviceLink& link) = 0;
};

}  // namespace scoutfs::node
