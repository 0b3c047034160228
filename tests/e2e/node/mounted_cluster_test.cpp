// Three real mounts of one volume behind one disk server, used through the kernel.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "node/admin_socket.hpp"
#include "node/fs_client.hpp"
#include "tests/support/mounted_node.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

namespace files = std::filesystem;
using testing::contents;
using testing::MountedNode;

constexpr std::uint64_t kVolumeSize = 256u << 20;  // bytes

struct Cluster {
  explicit Cluster(std::size_t count)
      : server({"file", directory.image("image", kVolumeSize)}) {
    testing::make_volume(server.uri());
    for (std::size_t i = 0; i < count; ++i) {
      nodes.push_back(
          std::make_unique<MountedNode>(directory, server.uri(), fmt::format("node{}", i)));
      const bool mounted = nodes.back()->mounted();
      BOOST_REQUIRE_MESSAGE(mounted, nodes.back()->log());
    }
  }
  std::string path(std::size_t node, const std::string& below) const {
    return nodes[node]->path(below);
  }
  // Unmounts all and checks the volume.
  void end() {
    for (auto& node : nodes) BOOST_TEST(node->unmount() == kMountOk, node->log());
    nodes.clear();
    for (const std::string& problem : testing::problems_of(server.uri())) {
      BOOST_ERROR(problem);
    }
  }

  testing::TemporaryDirectory directory;
  testing::NbdServer server;
  std::vector<std::unique_ptr<MountedNode>> nodes;
};

void write_file(const std::string& path, const std::string& text, int flags = O_TRUNC) {
  const UniqueFd fd(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | flags, 0644));
  BOOST_REQUIRE_MESSAGE(static_cast<bool>(fd), path << ": " << std::strerror(errno));
  BOOST_TEST(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

void sync_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  BOOST_TEST(fsync(fd.get()) == 0);
}

struct stat info_of(const std::string& path) {
  struct stat info{};
  BOOST_TEST(lstat(path.c_str(), &info) == 0, path);
  return info;
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : files::directory_iterator(path)) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

BOOST_AUTO_TEST_SUITE(mounted_cluster)

BOOST_AUTO_TEST_CASE(every_node_sees_what_any_node_did) {
  Cluster cluster(3);
  BOOST_TEST(mkdir(cluster.path(0, "dir").c_str(), 0751) == 0);
  write_file(cluster.path(1, "dir/file"), "hello ");
  write_file(cluster.path(2, "dir/file"), "world", O_APPEND);
  BOOST_TEST(contents(cluster.path(0, "dir/file")) == "hello world");
  BOOST_TEST((info_of(cluster.path(1, "dir")).st_mode & 0777) == 0751U);
  files::create_hard_link(cluster.path(0, "dir/file"), cluster.path(0, "dir/link"));
  files::create_symlink("target", cluster.path(1, "dir/symlink"));
  BOOST_TEST(files::read_symlink(cluster.path(2, "dir/symlink")).string() == "target");
  files::rename(cluster.path(2, "dir/link"), cluster.path(2, "moved"));
  BOOST_TEST((names_in(cluster.path(0, "dir")) == std::vector<std::string>{"file", "symlink"}));
  BOOST_TEST(info_of(cluster.path(0, "moved")).st_nlink == 2U);
  BOOST_TEST(files::remove(cluster.path(1, "dir/file")));
  BOOST_TEST(!files::exists(cluster.path(0, "dir/file")));
  BOOST_TEST(setxattr(cluster.path(0, "moved").c_str(), "user.a", "value", 5, 0) == 0);
  std::string value(16, '\0');
  BOOST_TEST(getxattr(cluster.path(1, "moved").c_str(), "user.a", value.data(), 16) == 5);
  BOOST_TEST(truncate(cluster.path(2, "moved").c_str(), 5) == 0);
  BOOST_TEST(contents(cluster.path(1, "moved")) == "hello");
  BOOST_TEST(rmdir(cluster.path(0, "dir").c_str()) == -1);
  BOOST_TEST(errno == ENOTEMPTY);
  cluster.end();
}

BOOST_AUTO_TEST_CASE(an_unlinked_file_lives_while_any_node_has_it_open) {
  Cluster cluster(2);
  write_file(cluster.path(0, "file"), "still here");
  const UniqueFd fd(::open(cluster.path(0, "file").c_str(), O_RDONLY | O_CLOEXEC));
  BOOST_TEST(::unlink(cluster.path(1, "file").c_str()) == 0);
  std::string text(10, '\0');
  BOOST_TEST(::pread(fd.get(), text.data(), text.size(), 0) == 10);
  BOOST_TEST(text == "still here");
}

BOOST_AUTO_TEST_CASE(mappings_are_private_and_large_files_are_whole) {
  Cluster cluster(2);
  const std::string bytes = testing::pattern(5, 9u << 20);
  write_file(cluster.path(0, "large"), bytes);
  BOOST_TEST((contents(cluster.path(1, "large")) == bytes));
  UniqueFd fd(::open(cluster.path(1, "large").c_str(), O_RDWR | O_CLOEXEC));
  BOOST_TEST(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0) ==
             MAP_FAILED);
  BOOST_TEST(errno == ENODEV);
  void* const map = mmap(nullptr, bytes.size(), PROT_READ, MAP_PRIVATE, fd.get(), 0);
  BOOST_REQUIRE(map != MAP_FAILED);
  BOOST_TEST((std::string_view(static_cast<const char*>(map), bytes.size()) == bytes));
  munmap(map, bytes.size());
  fd.reset();
  cluster.end();
}

void ask_everything(Cluster& cluster) {
  for (int i = 0; i < 2000; ++i) write_file(cluster.path(0, fmt::format("f{}", i)), "x");
  const std::uint64_t ino = info_of(cluster.path(1, "f7")).st_ino;
  const auto file = FsClient::open(cluster.path(1, "f7"));
  BOOST_REQUIRE(file.has_value());
  const auto more = file->stat_more();
  BOOST_REQUIRE(more.has_value());
  BOOST_TEST(more->ino == ino);
  BOOST_TEST(more->online_blocks == 1U);
  BOOST_TEST((file->paths(ino).value() == std::vector<std::string>{"f7"}));
  BOOST_TEST(file->paths(1'000'000'000).error() == ENOENT);

  const auto root = FsClient::open(cluster.path(1, ""));
  BOOST_REQUIRE(root.has_value());
  std::size_t count = 0;
  bool found = false;
  protocol::IndexEntry first{0, 0};
  while (true) {
    const protocol::IndexEntry last{~std::uint64_t{0}, ~std::uint64_t{0}};
    const auto page = root->walk(FsClient::Index::data_seq, first, last, true);
    BOOST_REQUIRE(page.has_value());
    for (const auto& entry : page->entries) {
      ++count;
      if (entry.ino == ino) found = entry.seq == more->data_seq;
    }
    if (!page->next.has_value()) break;
    first = *page->next;
  }
  BOOST_TEST(count == 2000U);
  BOOST_TEST(found);

  const auto info = root->mount_info();
  BOOST_REQUIRE(info.has_value());
  const auto answer = ask_daemon(info->socket, R"({"cmd":"status"})");
  BOOST_REQUIRE(answer.has_value());
  const auto document = nlohmann::json::parse(*answer);
  BOOST_TEST(document["status"]["connected"].get<bool>());
  BOOST_TEST(document["directory"] == cluster.nodes[1]->path());
  // The walk had the first node commit.
  const auto writer = FsClient::open(cluster.path(0, ""))->mount_info();
  BOOST_REQUIRE(writer.has_value());
  const auto written =
      nlohmann::json::parse(ask_daemon(writer->socket, R"({"cmd":"status"})").value_or("{}"));
  BOOST_TEST(written["status"]["last_recorded_seq"].get<std::uint64_t>() >= more->data_seq);

  BOOST_TEST(FsClient::open("/tmp")->mount_info().error() == ENOTTY);
}

BOOST_AUTO_TEST_CASE(programs_ask_for_what_only_this_filesystem_knows) {
  Cluster cluster(2);
  ask_everything(cluster);
  cluster.end();
}

BOOST_AUTO_TEST_CASE(a_killed_leader_costs_a_pause_and_nothing_that_was_synced) {
  Cluster cluster(3);
  write_file(cluster.path(0, "kept"), "kept");
  sync_file(cluster.path(0, "kept"));
  cluster.nodes[0]->signal(SIGKILL);
  cluster.nodes[0]->wait();
  write_file(cluster.path(1, "after"), "after");
  BOOST_TEST(contents(cluster.path(2, "after")) == "after");
  BOOST_TEST(contents(cluster.path(2, "kept")) == "kept");
  cluster.nodes.erase(cluster.nodes.begin());
  cluster.end();
}

BOOST_AUTO_TEST_CASE(a_killed_member_is_buried_and_its_locks_are_free_again) {
  Cluster cluster(2);
  BOOST_TEST(mkdir(cluster.path(1, "dir").c_str(), 0755) == 0);
  sync_file(cluster.path(1, "dir"));
  for (int i = 0; i < 50; ++i) write_file(cluster.path(1, fmt::format("dir/f{}", i)), "x");
  cluster.nodes[1]->signal(SIGKILL);
  cluster.nodes[1]->wait();
  write_file(cluster.path(0, "dir/mine"), "mine");
  BOOST_TEST(contents(cluster.path(0, "dir/mine")) == "mine");
  cluster.nodes.pop_back();
  cluster.end();
}

BOOST_AUTO_TEST_CASE(a_daemon_told_to_end_takes_its_mount_away_and_commits) {
  Cluster cluster(2);
  write_file(cluster.path(1, "file"), "written");
  cluster.nodes[1]->signal(SIGTERM);
  BOOST_TEST(cluster.nodes[1]->wait() == kMountOk, cluster.nodes[1]->log());
  BOOST_TEST(!files::exists(cluster.path(1, "file")));
  BOOST_TEST(contents(cluster.path(0, "file")) == "written");
  cluster.nodes.pop_back();
  cluster.end();
}

BOOST_AUTO_TEST_CASE(processes_in_a_mount_that_ends_get_errors_and_do_not_hang) {
  Cluster cluster(1);
  write_file(cluster.path(0, "file"), "written");
  const UniqueFd fd(::open(cluster.path(0, "file").c_str(), O_RDWR | O_CLOEXEC));
  cluster.nodes[0]->signal(SIGTERM);
  BOOST_TEST(cluster.nodes[0]->wait() == kMountOk, cluster.nodes[0]->log());
  char byte = 0;
  BOOST_TEST(::pread(fd.get(), &byte, 1, 0) == -1);
  BOOST_TEST(errno == ENOTCONN);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_mounted_says_why) {
  testing::TemporaryDirectory directory;
  const auto failure = [&](const std::string& device, const std::string& mount_point) {
    MountConfig config;
    config.device = device;
    config.directory = mount_point;
    config.engine.name = "failing";
    MountedNode node(directory, config);
    BOOST_TEST(!node.mounted());
    BOOST_TEST(node.wait() == kMountFailed);
    return node.log();
  };
  const std::string image = directory.image("image", kVolumeSize);
  const auto says = [](const std::string& log, const std::string& text) {
    BOOST_TEST((log.find(text) != std::string::npos), log);
  };
  says(failure(image, directory.file("missing")), "No such file or directory");
  says(failure(directory.file("none"), directory.path()), "cannot open");
  says(failure(image, directory.path()), "no scoutfs volume");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
