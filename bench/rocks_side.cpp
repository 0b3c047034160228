// RocksDB with the same compression, block size, filter and cache, and a synced log.
#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <cstdlib>
#include <thread>

#include "bench/side.hpp"

namespace scoutfs::bench {
namespace {

void check(const rocksdb::Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "rocksdb: {}\n", status.ToString());
  std::exit(1);
}

class RocksSide : public Side {
 public:
  explicit RocksSide(const Settings& settings)
      : settings_(settings), path_(settings.directory + "/rocks") {
    statistics_ = rocksdb::CreateDBStatistics();
    statistics_->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
    check(rocksdb::DestroyDB(path_, rocksdb::Options()));
    open();
  }
  ~RocksSide() override {
    db_.reset();
    check(rocksdb::DestroyDB(path_, rocksdb::Options()));
  }

  std::string name() const override { return "rocksdb"; }

  void write_batch(const std::vector<std::uint64_t>& items) override {
    rocksdb::WriteBatch batch;
    std::string key;
    std::string value;
    for (const std::uint64_t item : items) {
      make_key(item, key);
      make_value(item, value);
      check(batch.Put(key, value));
    }
    rocksdb::WriteOptions options;
    options.sync = true;
    check(db_->Write(options, &batch));
  }

  void settle() override {
    check(db_->Flush(rocksdb::FlushOptions()));
    while (pending("rocksdb.compaction-pending") + pending("rocksdb.num-running-compactions") +
               pending("rocksdb.num-running-flushes") >
           0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::uint64_t bytes_written() const override {
    return statistics_->getTickerCount(rocksdb::WAL_FILE_BYTES) +
           statistics_->getTickerCount(rocksdb::FLUSH_WRITE_BYTES) +
           statistics_->getTickerCount(rocksdb::COMPACT_WRITE_BYTES);
  }

  std::map<std::string, std::uint64_t> shape() const override {
    std::map<std::string, std::uint64_t> out;
    rocksdb::ColumnFamilyMetaData meta;
    db_->GetColumnFamilyMetaData(&meta);
    for (const rocksdb::LevelMetaData& level : meta.levels) {
      if (level.files.empty()) continue;
      out[fmt::format("level{}_segments", level.level)] = level.files.size();
      out[fmt::format("level{}_bytes", level.level)] = level.size;
    }
    out["log_bytes"] = statistics_->getTickerCount(rocksdb::WAL_FILE_BYTES);
    return out;
  }

  void reopen() override {
    db_.reset();
    open();
  }

  std::uint64_t read(const std::vector<std::uint64_t>& items) override {
    std::uint64_t found = 0;
    std::string key;
    rocksdb::PinnableSlice value;
    for (const std::uint64_t item : items) {
      make_key(item, key);
      value.Reset();
      const rocksdb::Status status =
          db_->Get(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), key, &value);
      found += status.ok() ? 1 : 0;
    }
    return found;
  }

  std::uint64_t scan(std::uint64_t& bytes) override {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    options.readahead_size = 256u << 10;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
    std::uint64_t count = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      ++count;
      bytes += it->key().size() + it->value().size();
    }
    check(it->status());
    return count;
  }

 private:
  std::uint64_t pending(const char* property) {
    std::uint64_t value = 0;
    db_->GetIntProperty(property, &value);
    return value;
  }

  void open() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.statistics = statistics_;
    options.compression = rocksdb::kZSTD;
    options.compression_opts.level = 1;
    options.max_background_jobs = 2;
    options.avoid_flush_during_shutdown = false;
    rocksdb::BlockBasedTableOptions table;
    table.block_size = 16u << 10;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.block_cache = rocksdb::NewLRUCache(settings_.cache_bytes);
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* db = nullptr;
    check(rocksdb::DB::Open(options, path_, &db));
    db_.reset(db);
  }

  Settings settings_;
  std::string path_;
  std::shared_ptr<rocksdb::Statistics> statistics_;
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

std::unique_ptr<Side> make_rocks_side(const Settings& settings) {
  return std::make_unique<RocksSide>(settings);
}

}  // namespace scoutfs::bench
