#include "engine/client/data_writer.hpp"

#include "engine/base/codec.hpp"

#include <cstring>

namespace scoutfs::client {

namespace {
constexpr std::uint64_t kFlushBlocks = 256;    // waiting blocks that are worth a request
constexpr std::uint64_t kRequestBlocks = 256;  // of one device write
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
      waiting_.insert(where.start.value + i);
    } else if (block.in_flight) {
      block.rewritten = true;
    }
    block.discarded = false;
    block.bytes = shared;
    block.offset = i * kBlockSize;
  }
  if (waiting_.size() >= kFlushBlocks) flush();
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
  waiting_.erase(block.value);
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
  while (!waiting_.empty()) scope_.spawn(send(take_run()));
}

DataWriter::Run DataWriter::take_run() {
  const std::uint64_t first = *waiting_.begin();
  Run run{.first = BlockNo{first}, .count = 0, .bytes = {}, .offset = 0};
  auto block = blocks_.find(first);
  // As they were written together, their bytes lie together, nearly always.
  bool together = true;
  run.bytes = block->second.bytes;
  run.offset = block->second.offset;
  auto end = waiting_.begin();
  while (end != waiting_.end() && *end == first + run.count && run.count < kRequestBlocks) {
    together = together && block->second.bytes == run.bytes &&
               block->second.offset == run.offset + run.count * kBlockSize;
    block->second.in_flight = true;
    ++run.count;
    ++block;
    ++end;
  }
  waiting_.erase(waiting_.begin(), end);
  if (together) return run;
  std::string joined;
  joined.reserve(run.count * kBlockSize);
  block = blocks_.find(first);
  for (std::uint64_t i = 0; i < run.count; ++i, ++block) {
    joined.append(*block->second.bytes, block->second.offset, kBlockSize);
  }
  run.bytes = std::make_shared<const std::string>(std::move(joined));
  run.offset = 0;
  return run;
}

Task<void> DataWriter::send(Run run) {
  const std::string_view all = *run.bytes;
  const std::string_view view = all.substr(run.offset, run.count * kBlockSize);
  const Result<void> written =
      co_await env_.device.write(run.first, as_bytes(view), Durability::after_flush);
  if (!written.has_value()) {
    // The operation was answered long ago: no transaction with this block may be recorded.
    failed_ = true;
    on_failed_(written.error());
    progress_.wake_all();
    co_return;
  }
  finish(run.first, run.count);
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
      waiting_.insert(first.value + i);
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
