// What the unit tests of fs/ have in common: a cluster that is checked as a whole at the end.
#pragma once

#include "engine/format/keys.hpp"
#include "tests/support/fs_cluster.hpp"
#include "tests/test.hpp"

namespace scoutfs::fs {

inline NewNode a_file() {
  return {format::kTypeRegular | 0644, 0, {}};
}
inline NewNode a_directory() {
  return {format::kTypeDirectory | 0755, 0, {}};
}

struct Fixture : testing::FsCluster {
  Fixture() : FsCluster({2, 65536, 1, {}}) {}
  ~Fixture() {
    run_idle();
    for (const std::string& line : testing::check_tree(volume)) BOOST_ERROR(line);
    for (const auto& system : systems) system->check_invariants();
  }

  // Lets background work that is ready get done.
  void run_idle() { world.scheduler.run(); }
  Attributes make(Ino dir, const std::string& name, NewNode node) {
    tick();
    const auto made = run(fs().create(who, dir, name, std::move(node)));
    BOOST_REQUIRE(made.has_value());
    return *made;
  }
  Inode stat(Ino ino, std::size_t node = 0) {
    const auto got = run(fs(node).getattr(who, ino));
    BOOST_REQUIRE(got.has_value());
    return got->inode;
  }
  template <class T>
  void done(const Result<T>& result) {
    BOOST_REQUIRE_MESSAGE(result.has_value(), to_string(result.error().code));
  }
  template <class T>
  void refused(const Result<T>& result, Errc code) {
    BOOST_REQUIRE(!result.has_value());
    BOOST_TEST(to_string(result.error().code) == to_string(code));
  }
  std::vector<std::string> names(Ino dir) {
    const auto entries = run(fs().readdir(who, dir, 2, 1000));
    BOOST_REQUIRE(entries.has_value());
    std::vector<std::string> out;
    for (const DirectoryEntry& entry : *entries) out.push_back(entry.name);
    return out;
  }

  void write(Ino ino, std::uint64_t offset, const std::string& data, std::size_t node = 0) {
    tick();
    const auto at = run(fs(node).write(who, ino, offset, data));
    BOOST_REQUIRE(at.has_value());
    BOOST_TEST(*at == offset);
  }
  std::string read(Ino ino, std::uint64_t offset, std::size_t size, std::size_t node = 0) {
    std::string out(size, '#');
    const std::span<std::byte> span(reinterpret_cast<std::byte*>(out.data()), out.size());
    const auto got = run(fs(node).read(who, ino, offset, span));
    BOOST_REQUIRE(got.has_value());
    out.resize(*got);
    return out;
  }
  void truncate(Ino ino, std::uint64_t size) {
    tick();
    SetAttributes changes;
    changes.size = size;
    done(run(fs().setattr(who, ino, changes)));
  }
  std::size_t items_of(Ino ino, format::ItemType type) {
    const KeyRange range = format::type_range(ino, type);
    std::size_t count = 0;
    for (auto at = volume.items.lower_bound(range.first);
         at != volume.items.end() && at->first <= range.last; ++at) {
      ++count;
    }
    return count;
  }

  Context who;
};

}  // namespace scoutfs::fs
