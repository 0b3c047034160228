#include "node/fs_client.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

namespace scoutfs::node {

OrErrno<FsClient> FsClient::open(const std::string& path) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0) return std::unexpected(errno);
  const bool itself = S_ISREG(info.st_mode) || S_ISDIR(info.st_mode);
  std::string name = path;
  if (!itself) {
    name = std::filesystem::path(path).parent_path();
    if (name.empty()) name = ".";
  }
  UniqueFd fd(::open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return std::unexpected(errno);
  return FsClient(std::move(fd), itself ? 0 : info.st_ino);
}

template <class T>
OrErrno<T> FsClient::ask(unsigned number, T request) const {
  if (ioctl(fd_.get(), number, &request) != 0) return std::unexpected(errno);
  return request;
}

OrErrno<protocol::MountInfo> FsClient::mount_info() const {
  return ask(protocol::kMountInfo, protocol::MountInfo{});
}

OrErrno<protocol::StatFsMore> FsClient::stat_fs_more() const {
  return ask(protocol::kStatFsMore, protocol::StatFsMore{});
}

OrErrno<protocol::StatMore> FsClient::stat_more() const {
  return stat_more(ino_);
}

OrErrno<protocol::StatMore> FsClient::stat_more(std::uint64_t ino) const {
  protocol::StatMore request{};
  request.ino = ino;
  return ask(protocol::kStatMore, request);
}

OrErrno<FsClient::Page> FsClient::walk(Index index, protocol::IndexEntry first,
                                       protocol::IndexEntry last, bool wait) const {
  const auto request = std::make_unique<protocol::WalkInodes>();
  request->index = static_cast<std::uint32_t>(index);
  request->flags = wait ? protocol::WalkInodes::kWait : 0;
  request->first = first;
  request->last = last;
  request->limit = protocol::WalkInodes::kEntriesMax;
  if (ioctl(fd_.get(), protocol::kWalkInodes, request.get()) != 0)
    return std::unexpected(errno);
  if (request->count > protocol::WalkInodes::kEntriesMax) return std::unexpected(EPROTO);
  Page page;
  page.entries.assign(request->entries, request->entries + request->count);
  page.bound_seq = request->bound_seq;
  page.not_answered.assign(request->not_answered,
                           strnlen(request->not_answered, sizeof(request->not_answered)));
  if (request->count == request->limit) {
    const protocol::IndexEntry& at = page.entries.back();
    page.next = at.ino == ~std::uint64_t{0} ? protocol::IndexEntry{at.seq + 1, 0}
                                            : protocol::IndexEntry{at.seq, at.ino + 1};
  }
  return page;
}

OrErrno<std::vector<std::string>> FsClient::paths(std::uint64_t ino) const {
  std::vector<std::string> paths;
  const auto request = std::make_unique<protocol::InoPath>();
  request->ino = ino;
  while (ioctl(fd_.get(), protocol::kInoPath, request.get()) == 0) {
    if (request->path_size > protocol::InoPath::kPathMax) return std::unexpected(EPROTO);
    paths.emplace_back(request->path, request->path_size);
  }
  const int error = errno;
  if (error != ENOENT || paths.empty()) return std::unexpected(error);
  return paths;
}

}  // namespace scoutfs::node
