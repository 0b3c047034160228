#include "engine/client/data_writer.hpp"

#include "engine/base/codec.hpp"

#include <cstring>

namespace scoutfs::client {

namespace {
constexpr std::uint64_t kFlushBlocks = 256;    // waiting blocks that are worth a request
constexpr std::uint64_t kRequestBlocks = 256;  // of one device write
constexpr int kAttemptsMax = 4;
}  // namespace

DataWriter::DataWriter(Env env, std::function<void(Error)> on_failed)
    : env_(env),
      on_failed_(std::move(on_failed)),
      progress_(env.scheduler),
      scope_(env.scheduler) {}

void DataWriter::write(TxnNo txn, Extent where, std::string bytes) {
  SCOUTFS_ASSERT(bytes.size() == where.count * kBlockSize);
  const auto shared = std::make_shared<const std::string>(std::move(bytes));
  for (std::uint64_t i = 0; i < where.count; ++i) {
    Block& block = blocks_[where.start.value + i];
    if (!block.txn) {
      block.txn = txn;
      ++outstanding_[txn];
      ++waiting_;
    } else if (block.in_flight) {
      block.rewritten = true;
    }
    block.discarded = false;
    block.bytes = shared;
    block.offset = i * kBlockSize;
  }
  if (waiting_ >= kFlushBlocks) flush();
}

bool DataWriter::discard(BlockNo block) {
  const auto found = blocks_.find(block.value);
  if (found == blocks_.end()) return true;
  if (found->second.in_flight) {
    found->second.discarded = true;
    found->second.rewritten = false;
    return false;
  }
  const TxnNo txn = found->second.txn;
  blocks_.erase(found);
  --waiting_;
  if (--outstanding_[txn] == 0) outstanding_.erase(txn);
  progress_.wake_all();
  return true;
}

bool DataWriter::read(BlockNo block, std::span<std::byte> out) const {
  const auto found = blocks_.find(block.value);
  if (found == blocks_.end()) return false;
  std::memcpy(out.data(), found->second.bytes->data() + found->second.offset, kBlockSize);
  return true;
}

void DataWriter::flush() {
  if (failed_) return;
  auto it = blocks_.begin();
  while (waiting_ > 0 && it != blocks_.end()) {
    if (it->second.in_flight) {
      ++it;
      continue;
    }
    const BlockNo first{it->first};
    std::string bytes;
    std::uint64_t count = 0;
    while (it != blocks_.end() && it->first == first.value + count && !it->second.in_flight &&
           count < kRequestBlocks) {
      bytes.append(*it->second.bytes, it->second.offset, kBlockSize);
      it->second.in_flight = true;
      ++count;
      ++it;
    }
    waiting_ -= count;
    scope_.spawn(send(first, std::make_shared<const std::string>(std::move(bytes))));
  }
}

Task<void> DataWriter::send(BlockNo first, std::shared_ptr<const std::string> bytes) {
  const std::string_view view = *bytes;
  for (int attempt = 1;; ++attempt) {
    const Result<void> written =
        co_await env_.device.write(first, as_bytes(view), Durability::after_flush);
    if (written.has_value()) break;
    env_.log.warn("writing {} data blocks at {} failed: {}", view.size() / kBlockSize,
                  first.value, to_string(written.error().code));
    if (attempt == kAttemptsMax || written.error().code != Errc::io_error) {
      failed_ = true;
      on_failed_(written.error());
      progress_.wake_all();
      co_return;
    }
    co_await Sleep(env_.scheduler, 100 * kMillisecond);
  }
  finish(first, view.size() / kBlockSize);
}

void DataWriter::finish(BlockNo first, std::uint64_t count) {
  bool again = false;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto found = blocks_.find(first.value + i);
    SCOUTFS_ASSERT(found != blocks_.end());
    Block& block = found->second;
    block.in_flight = false;
    if (block.rewritten) {
      block.rewritten = false;
      ++waiting_;
      again = true;
      continue;
    }
    const TxnNo txn = block.txn;
    blocks_.erase(found);
    if (--outstanding_[txn] == 0) outstanding_.erase(txn);
  }
  if (again) flush();
  progress_.wake_all();
}

Task<Result<void>> DataWriter::drain(TxnNo txn) {
  flush();
  while (!failed_ && !outstanding_.empty() && outstanding_.begin()->first <= txn) {
    co_await progress_.wait();
  }
  if (failed_) co_return fail(Errc::io_error);
  co_return Result<void>{};
}

Task<void> DataWriter::stop() {
  co_await scope_.drain();
}

}  // namespace scoutfs::client
