// DataWriter: file blocks on their way to the device.
//
// A block stays here, readable, from the operation that wrote it until the device has answered.
// Neighbouring blocks leave in one request; a block that is written again while it waits costs
// nothing, and one whose write is in flight is written again only after the answer (DESIGN 15,
// rule 12). A transaction's commit waits for its blocks.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/env/env.hpp"

namespace scoutfs::client {

class DataWriter {
 public:
  DataWriter(Env env, std::function<void(Error)> on_failed);

  void write(TxnNo txn, Extent where, std::string bytes);
  // The block will not be referred to: its write need not happen. False: its write is in
  // flight, and discarded(block) becomes true only when that has been answered.
  bool discard(BlockNo block);
  bool busy(BlockNo block) const { return blocks_.contains(block.value); }

  // Copies the block if it is here.
  bool read(BlockNo block, std::span<std::byte> out) const;

  // Sends what waits. Called when a transaction freezes, and by write() above a size.
  void flush();
  // Every block of transactions up to `txn` is on the device (not necessarily durable).
  Task<Result<void>> drain(TxnNo txn);

  std::uint64_t pending_bytes() const { return blocks_.size() * kBlockSize; }
  WaitQueue& progress() { return progress_; }
  // Waits for what is in flight.
  Task<void> stop();

 private:
  struct Block {
    TxnNo txn;
    std::shared_ptr<const std::string> bytes;  // one block, at `offset`
    std::size_t offset = 0;
    bool in_flight = false;
    bool rewritten = false;  // changed since it was sent
    bool discarded = false;
  };

  // Neighbouring blocks that leave in one request.
  struct Run {
    BlockNo first;
    std::uint64_t count = 0;
    std::shared_ptr<const std::string> bytes;  // theirs, from `offset` on
    std::size_t offset = 0;
  };

  // The first of what waits; it is in flight from now on. Requires: something waits.
  Run take_run();
  Task<void> send(Run run);
  void finish(BlockNo first, std::uint64_t count);

  Env env_;
  std::function<void(Error)> on_failed_;
  absl::btree_map<std::uint64_t, Block> blocks_;
  std::map<TxnNo, std::uint64_t> outstanding_;  // blocks, by transaction
  absl::btree_set<std::uint64_t> waiting_;      // blocks not in flight
  bool failed_ = false;
  WaitQueue progress_;
  TaskScope scope_;
};

}  // namespace scoutfs::client
