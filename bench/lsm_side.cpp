// The LSM of this project, driven as the leader and a client do: a batch becomes a memtable,
// then a segment of level 0, flushed, then an entry of the server tree's journal; compaction
// jobs run between batches on the same thread.
#include <fmt/format.h>

#include <optional>

#include "bench/file_device.hpp"
#include "bench/side.hpp"
#include "engine/async/clock.hpp"
#include "engine/async/scope.hpp"
#include "engine/format/server_items.hpp"
#include "engine/lsm/area.hpp"
#include "engine/lsm/compaction.hpp"
#include "engine/lsm/durable_tree.hpp"

namespace scoutfs::bench {
namespace {

using namespace lsm;

constexpr Fsid kFsid{0x5eed};
constexpr std::uint64_t kJournalBlocks = 4096;    // 16 MiB
constexpr std::uint64_t kServerBlocks = 16384;    // 64 MiB
constexpr std::uint64_t kSpaceBlocks = 1u << 20;  // 4 GiB

class StoppedClock : public Clock {
 public:
  TimeNs now_ns() const override { return 0; }
  TimeNs wall_ns() const override { return 0; }
};

[[noreturn]] void die(const Error& error) {
  fmt::print(stderr, "{} at {}:{}\n", to_string(error.code), error.where.file_name(),
             error.where.line());
  std::exit(1);
}

class Space : public OutputSpace {
 public:
  explicit Space(Extent whole) : area_(whole) {}
  Result<SegmentRef> allocate(std::uint64_t blocks) override {
    SCOUTFS_TRY(const Extent where, area_.allocate(blocks));
    return SegmentRef{where, ++next_id_};
  }
  void free(Extent where) { area_.free(where); }

 private:
  Area area_;
  std::uint64_t next_id_ = 0;
};

class LsmSide : public Side {
 public:
  explicit LsmSide(const Settings& settings)
      : settings_(settings),
        device_(settings.directory + "/lsm.image",
                format::kFirstRegion + kJournalBlocks + kServerBlocks + kSpaceBlocks),
        space_(Extent{space_start(), kSpaceBlocks}),
        picker_(settings.compaction) {
    cache_.emplace(scheduler_, device_, kFsid, settings.cache_bytes);
    run(DurableTree::create(scheduler_, device_, make_superblock(), Memtable()));
    open_tree();
  }
  ~LsmSide() override {
    run(tree_->close());
    run_task(cache_->close());
  }

  std::string name() const override { return "scoutfs"; }
  void write_batch(const std::vector<std::uint64_t>& items) override { run(commit(items)); }
  void settle() override { run(compact()); }
  std::uint64_t bytes_written() const override { return device_.bytes_written(); }

  std::map<std::string, std::uint64_t> shape() const override {
    std::map<std::string, std::uint64_t> out;
    for (std::uint8_t level = 0; level <= manifest_.deepest(); ++level) {
      const std::string prefix = fmt::format("level{}_", level);
      out[prefix + "segments"] = manifest_.count(level);
      out[prefix + "bytes"] = manifest_.blocks(level) * kBlockSize;
    }
    out["jobs"] = jobs_;
    out["moves"] = moves_;
    out["journal_bytes"] = tree_->counters().journal_blocks * kBlockSize;
    return out;
  }

  void reopen() override {
    run(tree_->close());
    run_task(cache_->close());
    tree_.reset();
    cache_.emplace(scheduler_, device_, kFsid, settings_.cache_bytes);
    open_tree();
  }

  std::uint64_t read(const std::vector<std::uint64_t>& items) override {
    const SegmentList list = whole();
    return run(read_all(list, items));
  }

  std::uint64_t scan(std::uint64_t& bytes) override {
    const SegmentList list = whole();
    return run(scan_all(list, bytes));
  }

 private:
  static BlockNo space_start() {
    return BlockNo{format::kFirstRegion + kJournalBlocks + kServerBlocks};
  }
  format::Superblock make_superblock() const {
    format::Superblock out;
    out.fsid = kFsid;
    out.cluster = "bench";
    out.device_blocks = device_.block_count();
    out.journal = {BlockNo{format::kFirstRegion}, kJournalBlocks};
    out.server_area = {out.journal.end(), kServerBlocks};
    out.space = {out.server_area.end(), kSpaceBlocks};
    return out;
  }

  void open_tree() {
    const format::Superblock superblock = run(read_superblock(device_));
    tree_.emplace(scheduler_, device_, *cache_, superblock);
    run(tree_->load([](std::string_view, std::string_view) { return Result<void>{}; }));
    run(tree_->open(Term{superblock.term.number + 1, 0}, Rid{1}));
  }

  template <class T>
  T run(Task<Result<T>> task) {
    Result<T> result = run_task(std::move(task));
    if (!result.has_value()) die(result.error());
    if constexpr (!std::is_void_v<T>) return *std::move(result);
  }
  template <class T>
  static Task<void> store(Task<T> task, std::optional<T>* out) {
    T value = co_await std::move(task);
    out->emplace(std::move(value));
  }
  static Task<void> store(Task<void> task, std::optional<bool>* out) {
    co_await std::move(task);
    *out = true;
  }
  template <class T>
  std::conditional_t<std::is_void_v<T>, bool, T> run_task(Task<T> task) {
    TaskScope scope(scheduler_);
    std::optional<std::conditional_t<std::is_void_v<T>, bool, T>> out;
    scope.spawn(store(std::move(task), &out));
    while (!out.has_value()) {
      const std::uint64_t resumed = scheduler_.run();
      SCOUTFS_ASSERT(resumed > 0 || out.has_value());
    }
    return *std::move(out);
  }

  SegmentList whole() const {
    SegmentList list;
    list.segments = manifest_.overlapping({"", std::string(kKeySizeMax, '\xff')});
    return list;
  }

  static void record(Batch& batch, const Placed& placed) {
    std::string value;
    Writer writer(value);
    encode(writer, placed);
    batch.put(format::segment_key(placed.info.ref.where.start), std::move(value));
  }

  Task<Result<void>> commit(const std::vector<std::uint64_t>& items) {
    Memtable memtable;
    std::string key;
    std::string value;
    for (const std::uint64_t item : items) {
      make_key(item, key);
      make_value(item, value);
      memtable.set(key, value);
    }
    Batch batch;
    std::vector<Placed> added;
    auto it = memtable.map().begin();
    while (it != memtable.map().end()) {
      SegmentBuilder builder({});
      while (it != memtable.map().end() && builder.add(it->first, it->second)) ++it;
      SCOUTFS_CO_TRY(const SegmentRef ref, space_.allocate(builder.finish()));
      const SegmentImage image = std::move(builder).seal(kFsid, ref);
      SCOUTFS_CO_CHECK(co_await device_.write(ref.where.start, as_bytes(image.bytes),
                                              Durability::after_flush));
      added.push_back({image.info, 0, RecordNo{++record_}});
      record(batch, added.back());
    }
    SCOUTFS_CO_CHECK(co_await device_.flush());
    SCOUTFS_CO_CHECK(co_await tree_->commit(std::move(batch)));
    for (const Placed& placed : added) manifest_.add(placed);
    SCOUTFS_CO_CHECK(co_await compact());
    co_return Result<void>{};
  }

  Task<Result<void>> compact() {
    while (true) {
      CompactionPicker::Choice choice = picker_.pick(manifest_, JobId{++next_job_});
      if (choice.move.has_value()) {
        ++moves_;
        Batch batch;
        const Placed placed = moved(manifest_.remove(choice.move->ref), choice.move->to_level);
        record(batch, placed);
        manifest_.add(placed);
        SCOUTFS_CO_CHECK(co_await tree_->commit(std::move(batch)));
        continue;
      }
      if (!choice.job.has_value()) co_return Result<void>{};
      SCOUTFS_CO_CHECK(co_await run_one(*choice.job));
    }
  }

  Task<Result<void>> run_one(const Job& job) {
    ++jobs_;
    SCOUTFS_CO_TRY(const std::vector<SegmentInfo> outputs,
                   co_await run_job(*cache_, device_, kFsid, job, space_));
    Batch batch;
    for (const Placed& input : job.inputs) {
      manifest_.remove(input.info.ref);
      batch.erase(format::segment_key(input.info.ref.where.start));
    }
    for (const SegmentInfo& output : outputs) {
      const Placed placed{output, job.output_level, job.output_record};
      manifest_.add(placed);
      record(batch, placed);
    }
    picker_.release(job.id);
    SCOUTFS_CO_CHECK(co_await tree_->commit(std::move(batch)));
    for (const Placed& input : job.inputs) space_.free(input.info.ref.where);
    co_return Result<void>{};
  }

  Task<Result<std::uint64_t>> read_all(const SegmentList& list,
                                       const std::vector<std::uint64_t>& items) {
    std::uint64_t found = 0;
    std::string key;
    for (const std::uint64_t item : items) {
      make_key(item, key);
      const std::optional<Entry> at_once = cache_->try_get(list, key);
      if (at_once.has_value()) {
        found += at_once->has_value() ? 1 : 0;
        continue;
      }
      SCOUTFS_CO_TRY(const Entry entry, co_await cache_->get(list, key));
      found += entry.has_value() ? 1 : 0;
    }
    co_return found;
  }

  Task<Result<std::uint64_t>> scan_all(const SegmentList& list, std::uint64_t& bytes) {
    MergeIterator items(*cache_, {"", std::string(kKeySizeMax, '\xff')}, Fill::bypass);
    items.add(list);
    std::uint64_t count = 0;
    while (true) {
      std::optional<EntryView> item = items.try_next();
      if (!item.has_value()) {
        SCOUTFS_CO_TRY(item, co_await items.next_view());
      }
      if (!item.has_value()) co_return count;
      if (!item->value.has_value()) continue;
      ++count;
      bytes += item->key.size() + item->value->size();
    }
  }

  Settings settings_;
  StoppedClock clock_;
  Scheduler scheduler_{clock_};
  FileDevice device_;
  Space space_;
  Manifest manifest_;
  CompactionPicker picker_;
  std::optional<SegmentCache> cache_;
  std::optional<DurableTree> tree_;
  std::uint64_t record_ = 0;
  std::uint64_t next_job_ = 0;
  std::uint64_t jobs_ = 0;
  std::uint64_t moves_ = 0;
};

}  // namespace

std::unique_ptr<Side> make_lsm_side(const Settings& settings) {
  return std::make_unique<LsmSide>(settings);
}

}  // namespace scoutfs::bench
