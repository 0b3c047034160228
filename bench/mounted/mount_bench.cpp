// What a mounted filesystem does in a second, as a program that uses it sees it.
//
//   mount_bench PHASE DIRECTORY [--second DIRECTORY] [--files N] ...
//
// runs one phase below DIRECTORY/mount_bench and prints one JSON object. Phases leave their
// files, so that the next one finds them: create before stat, list and remove; write before
// read, random_read and random_write. --second is another mount of the same filesystem.
// tools/bench_mount.py runs the phases on several filesystems in turn.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <map>
#include <memory>
#include <span>

#include "bench/mounted/measure.hpp"

namespace scoutfs::bench {

namespace {

constexpr std::size_t kLargeRequest = 1u << 20;  // bytes
constexpr std::size_t kSmallRequest = 4096;      // bytes
constexpr double kVisibleMax = 10;  // seconds until one mount sees the other's file

struct Plan {
  std::string phase;
  std::string directory;
  std::string second;
  std::uint64_t files = 5000;
  std::uint64_t directories = 100;
  std::uint64_t rounds = 500;
  std::uint64_t mebibytes = 256;
  double seconds = 1;
  unsigned threads = 1;
};

std::string directory_name(const Plan& plan, std::uint64_t number) {
  return plan.directory + "/d" + std::to_string(number);
}

// Files are spread so that neighbours share a directory, and threads their directories with
// nobody where there are enough.
std::string file_name(const Plan& plan, std::uint64_t number) {
  return directory_name(plan, number * plan.directories / plan.files) + "/f" +
         std::to_string(number);
}

void make_file(const std::string& path) {
  const int fd = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  expect(fd >= 0, "create " + path);
  close(fd);
}

void make_directory(const std::string& path) {
  expect(mkdir(path.c_str(), 0755) == 0, "mkdir " + path);
}

void remove_file(const std::string& path) {
  expect(unlink(path.c_str()) == 0, "unlink " + path);
}

// Until it is there: another mount made it.
void wait_for(const std::string& path) {
  struct stat info{};
  const auto start = MonotonicClock::now();
  while (stat(path.c_str(), &info) != 0) {
    expect(errno == ENOENT, "stat " + path);
    expect(since(start) < kVisibleMax, path + " does not become visible");
  }
}

// Page-aligned, and nothing that compresses.
using Buffer = std::unique_ptr<char, decltype(&std::free)>;
Buffer noise(std::size_t size) {
  Buffer buffer(static_cast<char*>(std::aligned_alloc(4096, size)), &std::free);
  std::uint64_t state = 88'172'645'463'325'252ULL;
  for (std::size_t at = 0; at < size; at += sizeof(state)) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(buffer.get() + at, &state, sizeof(state));
  }
  return buffer;
}

// ---- Names and attributes ----

nlohmann::json create(const Plan& plan) {
  for (std::uint64_t i = 0; i < plan.directories; ++i) make_directory(directory_name(plan, i));
  return to_json(each(plan.threads, plan.files,
                      [&](unsigned, std::uint64_t i) { make_file(file_name(plan, i)); }));
}

nlohmann::json stat_each(const Plan& plan) {
  return to_json(each(plan.threads, plan.files, [&](unsigned, std::uint64_t i) {
    struct stat info{};
    const std::string path = file_name(plan, i);
    expect(lstat(path.c_str(), &info) == 0, "lstat " + path);
  }));
}

// As ls -l: reads each directory and asks for the attributes of each entry.
nlohmann::json list(const Plan& plan) {
  std::uint64_t entries = 0;
  const auto start = MonotonicClock::now();
  for (std::uint64_t i = 0; i < plan.directories; ++i) {
    const std::string path = directory_name(plan, i);
    DIR* const directory = opendir(path.c_str());
    expect(directory != nullptr, "opendir " + path);
    while (const dirent* entry = readdir(directory)) {
      if (entry->d_name[0] == '.') continue;
      struct stat info{};
      const int status = fstatat(dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW);
      expect(status == 0, "stat in " + path);
      ++entries;
    }
    closedir(directory);
  }
  expect(entries == plan.files, "a listing that has every file");
  return {{"entries", entries}, {"entries_per_s", static_cast<double>(entries) / since(start)}};
}

nlohmann::json remove(const Plan& plan) {
  const Timing timing = each(plan.threads, plan.files, [&](unsigned, std::uint64_t i) {
    remove_file(file_name(plan, i));
  });
  for (std::uint64_t i = 0; i < plan.directories; ++i) {
    const std::string path = directory_name(plan, i);
    expect(rmdir(path.c_str()) == 0, "rmdir " + path);
  }
  return to_json(timing);
}

nlohmann::json create_durably(const Plan& plan) {
  const std::string base = plan.directory + "/durable";
  make_directory(base);
  const auto path = [&](std::uint64_t i) { return base + "/f" + std::to_string(i); };
  const Timing timing = each(plan.threads, plan.rounds, [&](unsigned, std::uint64_t i) {
    const int fd = open(path(i).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    expect(fd >= 0, "create " + path(i));
    expect(fsync(fd) == 0, "fsync " + path(i));
    close(fd);
  });
  for (std::uint64_t i = 0; i < plan.rounds; ++i) remove_file(path(i));
  expect(rmdir(base.c_str()) == 0, "rmdir " + base);
  return to_json(timing);
}

// ---- Data ----

nlohmann::json rate(Timing timing, double mebibytes, double seconds) {
  nlohmann::json out = to_json(std::move(timing));
  out["mib_per_s"] = mebibytes / seconds;
  return out;
}

std::string large_file(const Plan& plan) {
  return plan.directory + "/large";
}

nlohmann::json write_all(const Plan& plan) {
  const Buffer buffer = noise(kLargeRequest);
  const std::string path = large_file(plan);
  unlink(path.c_str());
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  expect(fd >= 0, "create " + path);
  const auto start = MonotonicClock::now();
  const Timing timing = each(1, plan.mebibytes, [&](unsigned, std::uint64_t i) {
    const ssize_t done =
        pwrite(fd, buffer.get(), kLargeRequest, static_cast<off_t>(i * kLargeRequest));
    expect(done == static_cast<ssize_t>(kLargeRequest), "write " + path);
  });
  expect(fsync(fd) == 0, "fsync " + path);
  const double seconds = since(start);
  close(fd);
  return rate(timing, static_cast<double>(plan.mebibytes), seconds);
}

nlohmann::json read_all(const Plan& plan) {
  const Buffer buffer = noise(kLargeRequest);
  const std::string path = large_file(plan);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  expect(fd >= 0, "open " + path);
  const Timing timing = each(1, plan.mebibytes, [&](unsigned, std::uint64_t i) {
    const ssize_t done =
        pread(fd, buffer.get(), kLargeRequest, static_cast<off_t>(i * kLargeRequest));
    expect(done == static_cast<ssize_t>(kLargeRequest), "read " + path);
  });
  close(fd);
  return rate(timing, static_cast<double>(plan.mebibytes), timing.seconds);
}

enum class Access : std::uint8_t { read, write };

nlohmann::json random_access(const Plan& plan, Access access) {
  const std::string path = large_file(plan);
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  expect(fd >= 0, "open " + path);
  const std::uint64_t blocks = plan.mebibytes * kLargeRequest / kSmallRequest;
  std::vector<Buffer> buffers;
  std::vector<std::uint64_t> states;
  for (unsigned thread = 0; thread < plan.threads; ++thread) {
    buffers.push_back(noise(kSmallRequest));
    states.push_back(0x9e37'79b9'7f4a'7c15ULL * (thread + 1));
  }
  const Timing timing =
      for_seconds(plan.threads, plan.seconds, [&](unsigned thread, std::uint64_t) {
        std::uint64_t& state = states[thread];
        state = state * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
        const auto at = static_cast<off_t>((state >> 33) % blocks * kSmallRequest);
        char* const bytes = buffers[thread].get();
        const ssize_t done = access == Access::read ? pread(fd, bytes, kSmallRequest, at)
                                                    : pwrite(fd, bytes, kSmallRequest, at);
        expect(done == static_cast<ssize_t>(kSmallRequest), "access " + path);
      });
  expect(fsync(fd) == 0, "fsync " + path);
  close(fd);
  return to_json(timing);
}

nlohmann::json remove_large(const Plan& plan) {
  remove_file(large_file(plan));
  return nlohmann::json::object();
}

// ---- Two mounts ----

// Both create in one directory, in turn: each operation takes the directory from the other.
nlohmann::json hand_over(const Plan& plan) {
  const std::array sides{plan.directory + "/shared", plan.second + "/shared"};
  make_directory(sides[0]);
  wait_for(sides[1]);
  const Timing timing = each(1, plan.rounds, [&](unsigned, std::uint64_t i) {
    make_file(sides[i % 2] + "/f" + std::to_string(i));
  });
  for (std::uint64_t i = 0; i < plan.rounds; ++i) {
    remove_file(sides[0] + "/f" + std::to_string(i));
  }
  expect(rmdir(sides[0].c_str()) == 0, "rmdir " + sides[0]);
  return to_json(timing);
}

// From the answer to a create on one mount until stat on the other shows the file.
nlohmann::json visible(const Plan& plan) {
  const std::array sides{plan.directory + "/seen", plan.second + "/seen"};
  make_directory(sides[0]);
  wait_for(sides[1]);
  Timing timing;
  for (std::uint64_t i = 0; i < plan.rounds; ++i) {
    const std::string name = "/f" + std::to_string(i);
    make_file(sides[0] + name);
    const auto start = MonotonicClock::now();
    wait_for(sides[1] + name);
    timing.latencies_us.push_back(since(start) * 1e6);
    timing.seconds += since(start);
  }
  for (std::uint64_t i = 0; i < plan.rounds; ++i) {
    remove_file(sides[0] + "/f" + std::to_string(i));
  }
  expect(rmdir(sides[0].c_str()) == 0, "rmdir " + sides[0]);
  return to_json(timing);
}

// Each mount alone in a directory of its own, and both at the same time.
nlohmann::json create_on_two(const Plan& plan) {
  const std::array sides{plan.directory + "/first", plan.second + "/second"};
  for (const std::string& side : sides) make_directory(side);
  const auto run = [&](const std::string& prefix, std::span<const std::string> used) {
    return each(static_cast<unsigned>(used.size()), plan.files * used.size(),
                [&](unsigned thread, std::uint64_t i) {
                  make_file(used[thread] + "/" + prefix + std::to_string(i));
                })
        .per_s();
  };
  const std::span<const std::string> both(sides);
  const double first_before = run("a", both.first(1));
  const double second_before = run("a", both.last(1));
  const double together = run("b", both);
  const double first_after = run("c", both.first(1));
  const double second_after = run("c", both.last(1));
  for (const std::string& side : sides) {
    const std::string command = "rm -rf '" + side + "'";
    expect(std::system(command.c_str()) == 0, command);
  }
  return {{"one_node_creates_per_s",
           (first_before + second_before + first_after + second_after) / 4},
          {"two_nodes_creates_per_s", together}};
}

using Phase = std::function<nlohmann::json(const Plan&)>;

const std::map<std::string, Phase>& phases() {
  static const std::map<std::string, Phase> all{
      {"create", create},
      {"stat", stat_each},
      {"list", list},
      {"remove", remove},
      {"create_durably", create_durably},
      {"write", write_all},
      {"read", read_all},
      {"random_read", [](const Plan& plan) { return random_access(plan, Access::read); }},
      {"random_write", [](const Plan& plan) { return random_access(plan, Access::write); }},
      {"remove_large", remove_large},
      {"hand_over", hand_over},
      {"visible", visible},
      {"create_on_two", create_on_two},
  };
  return all;
}

}  // namespace

int run(int count, char** arguments) {
  Plan plan;
  CLI::App app("Runs one phase on a mounted filesystem; prints one JSON object.");
  app.add_option("phase", plan.phase)->required()->check(CLI::IsMember(phases()));
  app.add_option("directory", plan.directory, "a directory of the mount")->required();
  app.add_option("--second", plan.second, "the same directory in another mount");
  app.add_option("--files", plan.files, "files of create, stat, list, remove");
  app.add_option("--directories", plan.directories, "directories they are in");
  app.add_option("--rounds", plan.rounds, "operations of the other phases");
  app.add_option("--mib", plan.mebibytes, "size of the large file");
  app.add_option("--seconds", plan.seconds, "of random_read and random_write");
  app.add_option("--threads", plan.threads, "that work at the same time");
  CLI11_PARSE(app, count, arguments);
  plan.directory += "/mount_bench";
  if (!plan.second.empty()) plan.second += "/mount_bench";
  if (mkdir(plan.directory.c_str(), 0755) != 0) {
    expect(errno == EEXIST, "mkdir " + plan.directory);
  }
  const nlohmann::json result = phases().at(plan.phase)(plan);
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace scoutfs::bench

int main(int count, char** arguments) {
  return scoutfs::bench::run(count, arguments);
}
