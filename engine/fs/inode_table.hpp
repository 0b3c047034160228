// The node-local mutexes of inodes: made when first wanted, dropped when nobody uses them.
//
// They order the operations of one node on one inode, below the cluster locks that order nodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "engine/async/sync.hpp"
#include "engine/base/ids.hpp"

namespace scoutfs::fs {

class InodeTable {
  struct Entry {
    explicit Entry(Scheduler& scheduler) : mutex(scheduler) {}
    SharedMutex mutex;
    std::uint32_t users = 0;  // holders and waiters
  };

 public:
  // A held mutex. Gives it up, and the table's entry if it was the last user, when destroyed.
  class Ref {
   public:
    Ref() = default;
    Ref(Ref&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)),
          entry_(other.entry_),
          ino_(other.ino_),
          mode_(other.mode_),
          guard_(std::move(other.guard_)) {}
    Ref& operator=(Ref&& other) noexcept {
      release();
      table_ = std::exchange(other.table_, nullptr);
      entry_ = other.entry_;
      ino_ = other.ino_;
      mode_ = other.mode_;
      guard_ = std::move(other.guard_);
      return *this;
    }
    ~Ref() { release(); }
    void release();
    Ino ino() const { return ino_; }
    SharedMutex::Mode mode() const { return mode_; }

   private:
    friend class InodeTable;
    Ref(InodeTable& table, Entry& entry, Ino ino, SharedMutex::Mode mode)
        : table_(&table), entry_(&entry), ino_(ino), mode_(mode) {
      ++entry.users;
    }
    InodeTable* table_ = nullptr;
    Entry* entry_ = nullptr;
    Ino ino_;
    SharedMutex::Mode mode_ = SharedMutex::Mode::shared;
    SharedMutex::Guard guard_;
  };

  explicit InodeTable(Scheduler& scheduler) : scheduler_(scheduler) {}

  // The mutex if nobody has to be waited for.
  std::optional<Ref> try_lock(Ino ino, SharedMutex::Mode mode);
  Task<Ref> lock(Ino ino, SharedMutex::Mode mode);
  std::size_t size() const { return entries_.size(); }

 private:
  Entry& entry_of(Ino ino) { return entries_.try_emplace(ino.value, scheduler_).first->second; }

  Scheduler& scheduler_;
  // Its elements stay where they are, as waiting coroutines need.
  std::map<std::uint64_t, Entry> entries_;
};

}  // namespace scoutfs::fs
