#include "node/kernel_cache.hpp"

#include <fmt/core.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>

namespace scoutfs::node {

namespace {

// How much later than it was told the kernel may take a name or an attribute for valid: it
// counts in ticks (10 ms where they are long) and rounds up, from when it has read the answer.
constexpr TimeNs kKernelLate = 40 * kMillisecond;

// Pages are let go so long before the lease's end, if there is no next one, but no more than a
// part of what is left of a lease when it has come.
constexpr TimeNs kLetGoEarly = 300 * kMillisecond;
constexpr TimeNs kEarlyPart = 4;

// Reads that were answered just before hold a drop up until they are sorted out.
constexpr int kLetGoAttempts = 3;
constexpr TimeNs kLetGoPatience = 10 * kMillisecond;

// A revoke that takes longer lets page readers in, again and again.
constexpr TimeNs kStuck = kMillisecond;

// So many times `settle` nothing is kept under a lock that was held shorter than that.
constexpr TimeNs kQuietFactor = 10;

// A file that nobody has changed for so many times `settle` is read through the page cache.
constexpr TimeNs kSettledFactor = 100;

constexpr std::array<std::string_view, 3> kModeNames{"none", "attr", "full"};

std::string kernel_release() {
  utsname names{};
  return uname(&names) == 0 ? names.release : "?";
}

}  // namespace

std::string_view to_string(CacheMode mode) {
  return kModeNames[static_cast<std::size_t>(mode)];
}

std::optional<CacheMode> parse_cache_mode(std::string_view text) {
  const auto found = std::ranges::find(kModeNames, text);
  if (found == kModeNames.end()) return std::nullopt;
  return static_cast<CacheMode>(found - kModeNames.begin());
}

Result<CacheMode> choose_cache_mode(std::optional<CacheMode> wanted, bool can_void_names,
                                    std::string& why) {
  if (!wanted.has_value()) return can_void_names ? CacheMode::full : CacheMode::attributes;
  if (*wanted == CacheMode::full && !can_void_names) {
    why = fmt::format(
        "cache=full needs a kernel that can void cached names, from Linux 6.16 on; this one "
        "({}) "
        "cannot: use cache=attr",
        kernel_release());
    return fail(Errc::unsupported);
  }
  return *wanted;
}

KernelCache::KernelCache(EventLoop& loop, TimeNs settle_ns)
    : loop_(loop),
      settle_ns_(settle_ns),
      renewed_(loop.scheduler()),
      following_(loop.scheduler()),
      scope_(loop.scheduler()) {}

KernelCache::~KernelCache() = default;

Result<void> KernelCache::open(int fd, std::optional<CacheMode> wanted, std::string& why) {
  SCOUTFS_ASSERT(notifier_ == nullptr);
  const bool can_void_names = notify_new_epoch(fd) == 0;
  SCOUTFS_TRY(mode_, choose_cache_mode(wanted, can_void_names, why));
  fd_ = fd;
  if (mode_ == CacheMode::none) return {};
  notifier_ = std::make_unique<CacheNotifier>(loop_, fd);
  looked_up(Ino{1});  // the root is never forgotten
  return {};
}

void KernelCache::guard(std::unique_ptr<LeaseWatchdog> watchdog) {
  watchdog_ = std::move(watchdog);
  if (lease_end_ns_ != 0) on_lease(lease_end_ns_);
  if (keeps_pages()) scope_.spawn(follow_lease());
}

void KernelCache::give_up() {
  renewed_.wake_all();
  if (!granting()) return;
  closed_ = true;
  if (mode_ == CacheMode::full) notify_new_epoch(fd_);
  scope_.spawn(drop_all(take(Ino{}, Ino{~std::uint64_t{0}})));
}

Task<void> KernelCache::close() {
  closed_ = ended_ = true;
  renewed_.wake_all();
  following_.request();
  if (notifier_ == nullptr) co_return;
  co_await scope_.drain();
  co_await notifier_->wait_idle();
  notifier_ = nullptr;
}

// ---- What may be kept ----

bool KernelCache::caches_pages_of(const fs::Inode& inode) const {
  if (!granting()) return false;
  // Nobody can set it to what they like.
  const format::Timespec changed = inode.ctime;
  const TimeNs settled_ns = static_cast<TimeNs>(changed.seconds) * kSecond +
                            changed.nanoseconds + kSettledFactor * settle_ns_;
  return settle_ns_ == 0 || settled_ns <= loop_.clock().wall_ns();
}

bool KernelCache::begin_tenure(Group& group) {
  const TimeNs now = loop_.clock().now_ns();
  if (now < group.quiet_until) return false;
  if (!group.since.has_value()) group.since = now;
  return true;
}

void KernelCache::end_tenure(std::uint64_t number) {
  const auto found = groups_.find(number);
  if (found == groups_.end()) return;
  Group& group = found->second;
  if (group.names_epoch == epoch_) {
    ++epoch_;
    ++counts_.epochs;
    notify_new_epoch(fd_);
  }
  group.names_epoch.reset();
  const TimeNs now = loop_.clock().now_ns();
  if (group.since.has_value() && now - *group.since < settle_ns_) {
    group.quiet_until = now + kQuietFactor * settle_ns_;
  }
  group.since.reset();
  if (group.quiet_until <= now) groups_.erase(found);
  if (groups_.size() > groups_purged_at_) purge_groups();
}

// Of locks that went away and never came back.
void KernelCache::purge_groups() {
  const TimeNs now = loop_.clock().now_ns();
  std::erase_if(groups_, [now](const auto& entry) {
    const Group& group = entry.second;
    return !group.since.has_value() && !group.names_epoch.has_value() &&
           group.quiet_until <= now;
  });
  groups_purged_at_ = 2 * groups_.size() + 1024;
}

bool KernelCache::grant_names(Ino dir) {
  if (!granting() || mode_ != CacheMode::full) return false;
  Group& group = groups_[format::group_of(dir)];
  if (!begin_tenure(group)) return false;
  group.names_epoch = epoch_;
  return true;
}

void KernelCache::names_moved(Ino dir) {
  if (!granting() || mode_ != CacheMode::full) return;
  groups_[format::group_of(dir)].names_epoch = epoch_;
}

bool KernelCache::grant_attributes(Ino ino, bool directory) {
  if (!granting()) return false;
  const auto found = inodes_.find(ino);
  // The answer's reference is counted before; without one the kernel has nowhere to keep them.
  if (found == inodes_.end()) return false;
  if (!begin_tenure(groups_[format::group_of(ino)])) return false;
  found->second.attributes = true;
  found->second.attributes_at = ++grants_;
  found->second.directory = directory;
  return true;
}

void KernelCache::grant_pages(Ino ino, ByteRange pages) {
  if (!granting()) return;
  Inode& inode = inodes_[ino];
  if (watchdog_ != nullptr && !inode.place.has_value()) {
    inode.place = watchdog_->add_pages_of(ino);
  }
  inode.pages.add(pages);
  inode.pages_at = ++grants_;
}

void KernelCache::looked_up(Ino ino) {
  if (keeps_pages()) ++inodes_[ino].lookups;
}

void KernelCache::forgotten(Ino ino, std::uint64_t count) {
  const auto found = inodes_.find(ino);
  if (found == inodes_.end()) return;
  found->second.lookups -= std::min(found->second.lookups, count);
  if (found->second.lookups > 0) return;
  if (found->second.place.has_value()) watchdog_->remove(*found->second.place);
  inodes_.erase(found);
}

// ---- How it is dropped ----

ByteRanges KernelCache::without_reads(Ino ino, ByteRanges pages) const {
  const auto [first, last] = reads_.equal_range(ino);
  for (auto read = first; read != last; ++read) pages.remove(read->second);
  return pages;
}

std::vector<CacheDrop> KernelCache::take(Ino first, Ino last) {
  std::vector<CacheDrop> drops;
  for (auto it = inodes_.lower_bound(first); it != inodes_.end() && it->first <= last; ++it) {
    auto& [ino, inode] = *it;
    const std::size_t before = drops.size();
    const ByteRanges pages = without_reads(ino, std::move(inode.pages));
    for (const ByteRange& range : pages.ranges()) drops.push_back({ino, range});
    if (inode.attributes && drops.size() == before) drops.push_back({ino, std::nullopt});
    inode.attributes = false;
    inode.pages.clear();
  }
  return drops;
}

std::vector<CacheDrop> KernelCache::still_due(const std::vector<CacheDrop>& drops) {
  std::vector<CacheDrop> due;
  if (ended_) return due;
  for (const CacheDrop& drop : drops) {
    if (drop.unknown && inodes_.contains(drop.ino)) due.push_back({drop.ino, drop.pages});
  }
  counts_.repeats += due.size();
  return due;
}

std::shared_ptr<CacheNotifier::Job> KernelCache::submit(CacheNotifier::Lane lane,
                                                        std::vector<CacheDrop> drops) {
  counts_.drops += drops.size();
  return notifier_->submit(lane, std::move(drops));
}

Task<void> KernelCache::on_revoke(lock::LockId id, lock::Mode keep) {
  if (keep != lock::Mode::none || id.kind != lock::LockId::Kind::group) co_return;
  const Ino first{id.group * format::kInodeGroup};
  const Ino last{first.value + (format::kInodeGroup - 1)};
  if (on_drop_) on_drop_(first, last);
  if (!granting()) co_return;
  ++revokes_;
  end_tenure(id.group);
  std::vector<CacheDrop> drops = take(first, last);
  while (!drops.empty()) {
    const auto job = submit(CacheNotifier::Lane::revoke, std::move(drops));
    bool done = false;
    while (!done) {
      done = co_await job->done.wait_until(loop_.clock().now_ns() + kStuck);
      if (!done) counts_.late_readers += admit_(id);
    }
    drops = still_due(job->drops);
  }
}

Task<void> KernelCache::drop_all(std::vector<CacheDrop> drops) {
  while (!drops.empty()) {
    const auto job = submit(CacheNotifier::Lane::revoke, std::move(drops));
    co_await job->done.wait();
    drops = still_due(job->drops);
  }
}

// ---- The lease ----

void KernelCache::on_lease(TimeNs end_ns) {
  const TimeNs now = loop_.clock().now_ns();
  if (end_ns <= now) return;
  const TimeNs part_ns = (end_ns - now) / kEarlyPart;
  lease_end_ns_ = end_ns;
  let_go_ns_ = end_ns - std::min(kLetGoEarly, part_ns);
  if (watchdog_ != nullptr) {
    watchdog_->renewed(end_ns - std::min(LeaseWatchdog::kEarly, part_ns / 2), end_ns);
  }
  renewed_.wake_all();
}

double KernelCache::timeout() const {
  const TimeNs until_ns = loop_.clock().now_ns() + kKernelLate;
  if (until_ns >= lease_end_ns_) return 0;
  return static_cast<double>(lease_end_ns_ - until_ns) / static_cast<double>(kSecond);
}

Task<Result<void>> KernelCache::wait_to_read(Cancellation* cancellation) {
  while (granting() && loop_.clock().now_ns() >= let_go_ns_) {
    const Wake wake = co_await renewed_.wait(cancellation);
    if (wake == Wake::cancelled) co_return fail(Errc::interrupted);
  }
  co_return Result<void>{};
}

bool KernelCache::begin_answer(Answer answer) {
  const bool pages = answer == Answer::pages && granting();
  return watchdog_ == nullptr || watchdog_->begin_answer(pages ? let_go_ns_ : lease_end_ns_);
}

void KernelCache::end_answer() {
  if (watchdog_ != nullptr) watchdog_->end_answer();
}

Task<void> KernelCache::follow_lease() {
  TimeNs let_go_of_ns = 0;  // the end of the lease that ran out last
  while (!closed_) {
    const TimeNs now = loop_.clock().now_ns();
    if (now < let_go_ns_) {
      co_await Sleep(loop_.scheduler(), let_go_ns_ - now, &following_);
    } else if (let_go_of_ns != lease_end_ns_) {
      let_go_of_ns = lease_end_ns_;
      co_await let_go();
    } else {
      co_await renewed_.wait(&following_);
    }
  }
}

// The record stays as it is: what is dropped once too often does no harm.
Task<void> KernelCache::let_go() {
  const TimeNs end_ns = lease_end_ns_;
  ++counts_.lapses;
  ++epoch_;
  notify_new_epoch(fd_);
  for (int attempt = 0; attempt < kLetGoAttempts; ++attempt) {
    std::vector<CacheDrop> drops;
    for (const auto& [ino, inode] : inodes_) {
      for (const ByteRange& range : without_reads(ino, inode.pages).ranges()) {
        drops.push_back({ino, range});
      }
    }
    const auto job = submit(CacheNotifier::Lane::revoke, std::move(drops));
    // A page that stays locked belongs to a read that waits for the next lease and is known as
    // such by the next attempt.
    const bool last = attempt + 1 == kLetGoAttempts;
    const TimeNs until_ns = last ? kForever : loop_.clock().now_ns() + kLetGoPatience;
    const bool done = co_await job->done.wait_until(until_ns);
    if (done) break;
  }
  if (watchdog_ != nullptr && lease_end_ns_ == end_ns) watchdog_->let_go();
}

// ---- Changes of this node ----

Task<void> KernelCache::pages_changed(Ino ino) {
  const auto found = inodes_.find(ino);
  if (!granting() || found == inodes_.end() || found->second.pages.empty()) co_return;
  const std::uint64_t granted = found->second.pages_at;
  // The record stays until it is done: the lock may be given up meanwhile.
  const ByteRanges pages = without_reads(ino, found->second.pages);
  std::vector<CacheDrop> drops;
  for (const ByteRange& range : pages.ranges()) drops.push_back({ino, range});
  if (drops.empty()) co_return;
  const auto job = submit(CacheNotifier::Lane::change, std::move(drops));
  co_await job->done.wait();
  const auto left = inodes_.find(ino);
  if (left != inodes_.end() && left->second.pages_at == granted) left->second.pages.clear();
}

Task<void> KernelCache::attributes_changed(Ino ino) {
  if (!granting()) co_return;
  std::set<Ino> inos{ino};
  co_await drop_attributes(std::move(inos));
}

Task<void> KernelCache::drop_attributes(std::set<Ino> inos) {
  const std::uint64_t granted = grants_;
  std::vector<CacheDrop> drops;
  for (const Ino ino : inos) drops.push_back({ino, std::nullopt});
  if (ended_) co_return;
  while (!drops.empty()) {
    const auto job = submit(CacheNotifier::Lane::change, std::move(drops));
    co_await job->done.wait();
    drops = still_due(job->drops);
  }
  for (const Ino ino : inos) {
    const auto found = inodes_.find(ino);
    if (found != inodes_.end() && found->second.attributes_at <= granted) {
      found->second.attributes = false;
    }
  }
}

void KernelCache::on_inode_changed(Ino ino) {
  if (!granting()) return;
  const auto found = inodes_.find(ino);
  if (found == inodes_.end() || !found->second.attributes) return;
  // A directory has no pages, so this waits for nothing (cache_notifier.hpp), and directories
  // change with every name in them.
  if (found->second.directory && notify_attributes(fd_, ino) == 0) {
    ++counts_.drops;
    found->second.attributes = false;
    return;
  }
  changed_.insert(ino);
  if (dropping_changed_) return;
  dropping_changed_ = true;
  scope_.spawn(drop_changed());
}

Task<void> KernelCache::drop_changed() {
  while (!changed_.empty()) {
    std::set<Ino> inos = std::exchange(changed_, {});
    co_await drop_attributes(std::move(inos));
  }
  dropping_changed_ = false;
}

// ---- CacheGrant ----

void CacheGrant::about_pages(Ino ino, std::uint64_t offset, std::size_t size, Pages how) {
  if (!cache_.keeps_pages() || size == 0) return;
  ino_ = ino;
  pages_ = {offset, offset + size};
  if (how == Pages::locked) read_ = cache_.reads_.emplace(ino, pages_);
}

void CacheGrant::end_read() {
  if (read_.has_value()) cache_.reads_.erase(*read_);
  read_.reset();
}

void CacheGrant::serialized(TxnNo) {
  end_read();
  revokes_ = cache_.revokes_;
  if (dir_.value != 0) keeps_name_ = cache_.grant_names(dir_);
  if (to_dir_.value != 0) cache_.names_moved(to_dir_);
  if (ino_.value != 0) cache_.grant_pages(ino_, pages_);
}

double CacheGrant::name_timeout() const {
  return keeps_name_ ? cache_.timeout() : 0;
}

double CacheGrant::attributes_timeout(const fs::Attributes& attributes) {
  // They may be recorded only while the lock under which they were read is still held.
  if (revokes_ != cache_.revokes_) return 0;
  const bool kept = cache_.grant_attributes(attributes.ino, attributes.inode.is_directory());
  return kept ? cache_.timeout() : 0;
}

}  // namespace scoutfs::node
