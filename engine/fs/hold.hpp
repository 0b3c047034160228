// Hold: the cluster locks and inode mutexes of one operation.
//
//   Hold hold(store, inodes);
//   for (;;) {
//     hold.want(dir, lock::Mode::write);
//     SCOUTFS_CO_CHECK(co_await hold.acquire(cancellation));
//     ... look; an inode turns out to be needed:
//     if (!hold.try_add(target, lock::Mode::write)) {
//       co_await hold.back_off();  // and want it from the start in the next round
//       continue;
//     }
//     ... change
//   }
//
// Cluster locks come first, all in one call, then the mutexes in ascending order of inodes.
// Adding an inode never waits, so no order can be violated by it.
#pragma once

#include <vector>

#include "engine/client/store.hpp"
#include "engine/fs/inode_table.hpp"

namespace scoutfs::fs {

class Hold {
 public:
  Hold(client::Store& store, InodeTable& inodes) : store_(store), inodes_(inodes) {}

  // Names an inode for the next acquire(); zero is ignored.
  void want(Ino ino, lock::Mode mode, client::Caller caller = client::Caller::any) {
    if (ino.value != 0) wants_.push_back({ino, mode, caller});
  }
  // Takes what was wanted. Requires: holds nothing. Errors: those of Store::lock().
  Task<Result<void>> acquire(Cancellation* cancellation);
  // True if the inode is held in that mode now; false, and nothing changed, if that would wait.
  bool try_add(Ino ino, lock::Mode mode);
  void release();
  // Releases and lets others run.
  Task<void> back_off();

  const client::Locks& locks() const { return locks_; }

 private:
  struct Want {
    Ino ino;
    lock::Mode mode;
    client::Caller caller;
  };

  client::Store& store_;
  InodeTable& inodes_;
  std::vector<Want> wants_;
  client::Locks locks_;
  std::vector<InodeTable::Ref> refs_;  // destroyed before the cluster locks
};

}  // namespace scoutfs::fs
