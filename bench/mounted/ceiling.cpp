// A FUSE filesystem that does nothing but answer from memory: what FUSE itself costs on this
// machine, and so the ceiling of what a mount can do.
//
//   ceiling DIRECTORY [--threads N] [--second DIRECTORY]
//
// stays in the foreground until DIRECTORY is unmounted or SIGTERM comes. Names and attributes
// expire at once and files bypass the page cache, as in a mount that lets the kernel cache
// nothing. --second mounts the same tree once more. What is unlinked is forgotten for good only
// at the end. One lock guards the tree: with several threads it is held for the look-up alone.
#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace scoutfs::bench {

namespace {

constexpr std::size_t kChunk = 1u << 20;  // bytes; file contents are kept in pieces of this

struct Node {
  struct stat info{};
  std::unordered_map<std::string, Node*> by_name;
  // Names in the order they were made; a removed one is null. The position is the index.
  std::vector<std::pair<std::string, Node*>> entries;
  std::unordered_map<std::string, std::size_t> position;
  std::vector<std::unique_ptr<char[]>> chunks;
};

std::mutex tree_mutex;
std::deque<Node> nodes;  // all that ever were; addresses are node ids

Node* node_of(fuse_ino_t id) {
  return id == FUSE_ROOT_ID ? &nodes.front() : reinterpret_cast<Node*>(id);
}

fuse_ino_t id_of(Node* node) {
  return node == &nodes.front() ? FUSE_ROOT_ID : reinterpret_cast<fuse_ino_t>(node);
}

Node* new_node(mode_t mode) {
  Node& node = nodes.emplace_back();
  node.info.st_ino = nodes.size();
  node.info.st_mode = mode;
  node.info.st_nlink = S_ISDIR(mode) ? 2 : 1;
  clock_gettime(CLOCK_REALTIME_COARSE, &node.info.st_mtim);
  node.info.st_atim = node.info.st_ctim = node.info.st_mtim;
  return &node;
}

fuse_entry_param entry_of(Node* node) {
  fuse_entry_param entry{};
  entry.ino = id_of(node);
  entry.attr = node->info;
  return entry;
}

// The new node, or null where the name is taken.
Node* add(fuse_ino_t directory, const char* name, mode_t mode) {
  Node* const parent = node_of(directory);
  const auto [place, added] = parent->by_name.try_emplace(name, nullptr);
  if (!added) return nullptr;
  place->second = new_node(mode);
  parent->position[name] = parent->entries.size();
  parent->entries.emplace_back(name, place->second);
  return place->second;
}

void lookup(fuse_req_t request, fuse_ino_t directory, const char* name) {
  std::unique_lock lock(tree_mutex);
  const Node* const parent = node_of(directory);
  const auto found = parent->by_name.find(name);
  if (found == parent->by_name.end()) {
    lock.unlock();
    fuse_reply_err(request, ENOENT);
    return;
  }
  const fuse_entry_param entry = entry_of(found->second);
  lock.unlock();
  fuse_reply_entry(request, &entry);
}

void get_attributes(fuse_req_t request, fuse_ino_t id, fuse_file_info*) {
  fuse_reply_attr(request, &node_of(id)->info, 0);
}

void set_attributes(fuse_req_t request, fuse_ino_t id, struct stat* wanted, int which,
                    fuse_file_info*) {
  Node* const node = node_of(id);
  if ((which & FUSE_SET_ATTR_SIZE) != 0) node->info.st_size = wanted->st_size;
  fuse_reply_attr(request, &node->info, 0);
}

void make_directory(fuse_req_t request, fuse_ino_t directory, const char* name, mode_t mode) {
  std::unique_lock lock(tree_mutex);
  Node* const node = add(directory, name, mode | S_IFDIR);
  lock.unlock();
  if (node == nullptr) {
    fuse_reply_err(request, EEXIST);
    return;
  }
  const fuse_entry_param entry = entry_of(node);
  fuse_reply_entry(request, &entry);
}

void create(fuse_req_t request, fuse_ino_t directory, const char* name, mode_t mode,
            fuse_file_info* file) {
  std::unique_lock lock(tree_mutex);
  Node* const node = add(directory, name, mode | S_IFREG);
  lock.unlock();
  if (node == nullptr) {
    fuse_reply_err(request, EEXIST);
    return;
  }
  const fuse_entry_param entry = entry_of(node);
  file->direct_io = 1;
  fuse_reply_create(request, &entry, file);
}

void remove(fuse_req_t request, fuse_ino_t directory, const char* name) {
  std::unique_lock lock(tree_mutex);
  Node* const parent = node_of(directory);
  const auto found = parent->by_name.find(name);
  if (found == parent->by_name.end()) {
    lock.unlock();
    fuse_reply_err(request, ENOENT);
    return;
  }
  found->second->chunks.clear();
  const auto place = parent->position.find(name);
  parent->entries[place->second].second = nullptr;
  parent->position.erase(place);
  parent->by_name.erase(found);
  lock.unlock();
  fuse_reply_err(request, 0);
}

void open_file(fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
  file->direct_io = 1;
  fuse_reply_open(request, file);
}

void read_file(fuse_req_t request, fuse_ino_t id, std::size_t size, off_t offset,
               fuse_file_info*) {
  Node* const node = node_of(id);
  auto at = static_cast<std::size_t>(offset);
  const auto file_size = static_cast<std::size_t>(node->info.st_size);
  const std::size_t end = at < file_size ? std::min(at + size, file_size) : at;
  std::vector<iovec> pieces;
  while (at < end) {
    const std::size_t length = std::min(end - at, kChunk - at % kChunk);
    pieces.push_back({node->chunks[at / kChunk].get() + at % kChunk, length});
    at += length;
  }
  fuse_reply_iov(request, pieces.data(), static_cast<int>(pieces.size()));
}

// Requires: the writers of one file are one thread, or write no new chunk.
void write_file(fuse_req_t request, fuse_ino_t id, const char* bytes, std::size_t size,
                off_t offset, fuse_file_info*) {
  Node* const node = node_of(id);
  auto at = static_cast<std::size_t>(offset);
  const std::size_t end = at + size;
  while (at < end) {
    const std::size_t index = at / kChunk;
    if (index >= node->chunks.size()) node->chunks.resize(index + 1);
    if (node->chunks[index] == nullptr) {
      node->chunks[index] = std::make_unique_for_overwrite<char[]>(kChunk);
    }
    const std::size_t length = std::min(end - at, kChunk - at % kChunk);
    std::memcpy(node->chunks[index].get() + at % kChunk, bytes, length);
    bytes += length;
    at += length;
  }
  node->info.st_size = std::max(node->info.st_size, static_cast<off_t>(end));
  fuse_reply_write(request, size);
}

void read_directory(fuse_req_t request, fuse_ino_t id, std::size_t size, off_t offset,
                    fuse_file_info*) {
  std::string answer(size, '\0');
  std::size_t used = 0;
  std::unique_lock lock(tree_mutex);
  const Node* const node = node_of(id);
  for (auto i = static_cast<std::size_t>(offset); i < node->entries.size(); ++i) {
    const auto& [name, target] = node->entries[i];
    if (target == nullptr) continue;
    const std::size_t needed =
        fuse_add_direntry(request, answer.data() + used, size - used, name.c_str(),
                          &target->info, static_cast<off_t>(i + 1));
    if (needed > size - used) break;
    used += needed;
  }
  lock.unlock();
  fuse_reply_buf(request, answer.data(), used);
}

void on_init(void*, fuse_conn_info* connection) {
  connection->max_write = kChunk;
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
                                             FUSE_CAP_AUTO_INVAL_DATA);
}

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops table{};
  table.init = on_init;
  table.lookup = lookup;
  table.forget = [](fuse_req_t request, fuse_ino_t, std::uint64_t) {
    fuse_reply_none(request);
  };
  table.getattr = get_attributes;
  table.setattr = set_attributes;
  table.mkdir = make_directory;
  table.create = create;
  table.unlink = remove;
  table.rmdir = remove;
  table.open = open_file;
  table.read = read_file;
  table.write = write_file;
  table.readdir = read_directory;
  table.fsync = [](fuse_req_t request, fuse_ino_t, int, fuse_file_info*) {
    fuse_reply_err(request, 0);
  };
  return table;
}

// Null, and the library has said why, where it cannot be mounted.
fuse_session* mount(const std::string& directory) {
  std::string program = "ceiling", flag = "-o",
              options =
                  "allow_other,default_permissions,"
                  "fsname=ceiling";
  char* words[] = {program.data(), flag.data(), options.data(), nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(3, words);
  const fuse_lowlevel_ops table = operations();
  fuse_session* const session = fuse_session_new(&arguments, &table, sizeof(table), nullptr);
  fuse_opt_free_args(&arguments);
  if (session == nullptr) return nullptr;
  if (fuse_session_mount(session, directory.c_str()) == 0) return session;
  fuse_session_destroy(session);
  return nullptr;
}

void serve(fuse_session* session, unsigned threads) {
  if (threads == 1) {
    fuse_session_loop(session);
  } else {
    fuse_loop_config config{};
    config.clone_fd = 1;
    config.max_idle_threads = threads;
    fuse_session_loop_mt(session, &config);
  }
  fuse_session_unmount(session);
  fuse_session_destroy(session);
}

}  // namespace

int run(int count, char** arguments) {
  std::string directory, second;
  unsigned threads = 1;
  CLI::App app("A FUSE filesystem that only answers from memory.");
  app.add_option("directory", directory, "where to mount it")->required();
  app.add_option("--second", second, "where to mount it once more");
  app.add_option("--threads", threads, "that serve each mount");
  CLI11_PARSE(app, count, arguments);
  new_node(S_IFDIR | 0755);
  std::vector<fuse_session*> sessions;
  for (const std::string& place : {directory, second}) {
    if (place.empty()) continue;
    fuse_session* const session = mount(place);
    if (session == nullptr) return 1;
    sessions.push_back(session);
  }
  fuse_set_signal_handlers(sessions.front());
  std::vector<std::jthread> servers;
  for (fuse_session* const session : sessions) servers.emplace_back(serve, session, threads);
  return 0;
}

}  // namespace scoutfs::bench

int main(int count, char** arguments) {
  return scoutfs::bench::run(count, arguments);
}
