#include "sim/index_follower.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace scoutfs::sim {

namespace {

constexpr fs::IndexEntry kLastEntry{.seq = Seq{~std::uint64_t{0}},
                                    .ino = Ino{~std::uint64_t{0}}};

fs::IndexEntry after(fs::IndexEntry entry) {
  entry.ino = entry.ino.next();
  return entry;
}

}  // namespace

void IndexFollower::fail(const std::string& what) {
  board_.fail(
      "index",
      fmt::format("node{}, {}: {}", node_,
                  index_ == format::IndexType::meta_seq ? "meta_seq" : "data_seq", what));
}

void IndexFollower::check_page(const fs::IndexPage& page, fs::IndexEntry first,
                               Seq bound_before) {
  board_.ran("index");
  fs::IndexEntry least = first;
  for (const fs::IndexEntry& entry : page.entries) {
    if (entry < least) fail("entries are not in order");
    least = after(entry);
    if (entry.seq > page.bound.last) {
      fail(fmt::format("entry {} is behind the bound {}", entry.seq.value,
                       page.bound.last.value));
    }
    if (entry.seq <= bound_before && !seen_.contains(entry)) {
      fail(fmt::format("inode {} appeared at {}, not above the bound {} of an earlier walk",
                       entry.ino.value, entry.seq.value, bound_before.value));
    }
  }
}

Task<void> IndexFollower::pass(fs::FileSystem& filesystem, SimRandom& random,
                               bool from_the_beginning) {
  const std::size_t limit = static_cast<std::size_t>(random.between(1, 20));
  const auto wait = random.chance(1, 2) ? client::Store::Wait::yes : client::Store::Wait::no;
  const Seq bound_before = bound_;
  const Seq from = from_the_beginning ? Seq{} : bound_before.next();
  fs::IndexEntry first{.seq = from, .ino = Ino{}};
  std::optional<Seq> complete;
  std::vector<fs::IndexEntry> found;
  while (true) {
    const fs::Context context;
    const Result<fs::IndexPage> page =
        co_await filesystem.walk_inodes(context, index_, first, kLastEntry, limit, wait);
    if (!page.has_value()) co_return;
    check_page(*page, first, bound_before);
    // Later pages may know more; the first bound holds for all of them.
    if (!complete.has_value()) complete = page->bound.last;
    found.insert(found.end(), page->entries.begin(), page->entries.end());
    if (page->entries.size() < limit) break;
    first = after(page->entries.back());
  }
  if (*complete < bound_before && wait == client::Store::Wait::yes) {
    fail("a walk that waits is complete to less than an earlier one");
  }
  bound_ = std::max(bound_, *complete);
  for (const fs::IndexEntry& entry : found) {
    if (entry.seq <= bound_) seen_.insert(entry);
  }
}

Task<std::optional<IndexFollower::Entries>> IndexFollower::all(fs::FileSystem& filesystem,
                                                               std::size_t page_size) {
  Entries entries;
  fs::IndexEntry first{};
  while (true) {
    const fs::Context context;
    const Result<fs::IndexPage> page = co_await filesystem.walk_inodes(
        context, index_, first, kLastEntry, page_size, client::Store::Wait::yes);
    if (!page.has_value()) co_return std::nullopt;
    check_page(*page, first, bound_);
    for (const fs::IndexEntry& entry : page->entries) {
      if (!entries.emplace(entry.ino, entry.seq).second) {
        fail(fmt::format("inode {} has two entries", entry.ino.value));
      }
    }
    if (page->entries.size() < page_size) break;
    first = after(page->entries.back());
  }
  co_return entries;
}

void IndexFollower::compare(const Entries& got, const Entries& want) {
  board_.ran("index");
  for (const auto& [ino, seq] : want) {
    const auto found = got.find(ino);
    if (found == got.end()) {
      fail(fmt::format("inode {} has no entry, its seq is {}", ino.value, seq.value));
    } else if (found->second != seq) {
      fail(fmt::format("inode {} is listed at {}, its seq is {}", ino.value,
                       found->second.value, seq.value));
    }
  }
  for (const auto& [ino, seq] : got) {
    if (!want.contains(ino))
      fail(fmt::format("inode {} is listed and is not there", ino.value));
  }
}

}  // namespace scoutfs::sim
