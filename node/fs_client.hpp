// FsClient: what a program asks of a mounted volume, on any path of it
// (node/ioctl_protocol.hpp).
//
// For commands and tools; blocks. Errors are errno: ENOTTY if the path is not on such a volume.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "node/ioctl_protocol.hpp"
#include "node/loop/unique_fd.hpp"

namespace scoutfs::node {

template <class T>
using OrErrno = std::expected<T, int>;

class FsClient {
 public:
  // A file or directory is opened itself; of anything else (a symlink too, which is not
  // followed) the directory it is in.
  static OrErrno<FsClient> open(const std::string& path);

  OrErrno<protocol::MountInfo> mount_info() const;
  OrErrno<protocol::StatFsMore> stat_fs_more() const;
  // Of the path that was opened; what is neither file nor directory needs root.
  OrErrno<protocol::StatMore> stat_more() const;
  // Of any inode; root only.
  OrErrno<protocol::StatMore> stat_more(std::uint64_t ino) const;

  enum class Index : std::uint32_t {
    meta_seq = protocol::WalkInodes::kMetaSeq,
    data_seq = protocol::WalkInodes::kDataSeq
  };
  struct Page {
    std::vector<protocol::IndexEntry> entries;
    std::uint64_t bound_seq = 0;  // entries up to it are complete
    std::string not_answered;     // nodes that hold it down, by name
    // Where the next page starts; nullopt: that was the last.
    std::optional<protocol::IndexEntry> next;
  };
  // Entries of the index from `first` to `last`. `wait`: have other nodes commit first.
  OrErrno<Page> walk(Index index, protocol::IndexEntry first, protocol::IndexEntry last,
                     bool wait) const;

  // Every path of the inode, from the root of the volume, without a leading slash. Root only.
  // Errors: ENOENT (no such inode).
  OrErrno<std::vector<std::string>> paths(std::uint64_t ino) const;

 private:
  FsClient(UniqueFd fd, std::uint64_t ino) : fd_(std::move(fd)), ino_(ino) {}
  template <class T>
  OrErrno<T> ask(unsigned number, T request) const;

  UniqueFd fd_;
  std::uint64_t ino_;  // 0: what fd_ is; else the inode that was named
};

}  // namespace scoutfs::node
