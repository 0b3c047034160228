// scoutfs walk-inodes: which inodes changed, in the order of their last change.
#include <fmt/core.h>
#include <strings.h>

#include <cstdio>
#include <limits>

#include "cli/command.hpp"
#include "cli/index_position.hpp"
#include "node/fs_client.hpp"

namespace scoutfs::cli {

namespace {

using node::FsClient;
using node::protocol::IndexEntry;

struct Options {
  std::string index, first, last;
  PathArgument path;
  bool no_barrier = false;
  bool json = false;
};

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

// The range of entries, all of which have minor 0, between two positions. False: it is empty.
bool to_range(const IndexPosition& first, const IndexPosition& last, IndexEntry& from,
              IndexEntry& to) {
  if (last < first) return false;
  from = IndexEntry{.seq = first.major, .ino = first.ino};
  if (first.minor > 0) {
    if (first.major == kMax) return false;
    from = IndexEntry{.seq = first.major + 1, .ino = 0};
  }
  to = IndexEntry{.seq = last.major, .ino = last.minor > 0 ? kMax : last.ino};
  return from.seq < to.seq || (from.seq == to.seq && from.ino <= to.ino);
}

// Prints rows as they come: a walk may be long.
class Table {
 public:
  explicit Table(bool json) : json_(json) {
    if (json_) fmt::print("{{\"entries\": [");
  }
  void row(const IndexEntry& entry) {
    static constexpr std::uint64_t kRowsBetweenHeaders = 25;
    if (json_) {
      fmt::print("{}\n{{\"major\": {}, \"minor\": 0, \"ino\": {}}}", count_ > 0 ? "," : "",
                 entry.seq, entry.ino);
    } else {
      if (count_ % kRowsBetweenHeaders == 0) {
        fmt::print("{:<20} {:<20} {:<10} {:<20}\n", "#", "major", "minor", "ino");
      }
      fmt::print("{:<20} {:<20} {:<10} {:<20}\n", count_, entry.seq, 0, entry.ino);
    }
    ++count_;
  }
  void end(std::uint64_t bound_seq, const std::string& not_answered) const {
    if (!json_) return;
    fmt::print("{}], \"complete_up_to\": {}, \"not_answered\": {}}}\n", count_ > 0 ? "\n" : "",
               bound_seq, nlohmann::json(not_answered).dump());
  }

 private:
  bool json_;
  std::uint64_t count_ = 0;
};

int walk(const FsClient& client, const std::string& path, FsClient::Index index,
         std::optional<IndexEntry> from, const IndexEntry& to, const Options& options) {
  Table table(options.json);
  std::uint64_t bound_seq = 0;
  std::string not_answered;
  bool wait = !options.no_barrier;
  while (from.has_value()) {
    const auto page = client.walk(index, *from, to, wait);
    if (!page.has_value()) return failed("walk-inodes", explain_errno(path, page.error()));
    for (const IndexEntry& entry : page->entries) table.row(entry);
    // One barrier makes the walk complete up to where it began; later pages need none, and
    // what changes meanwhile moves behind.
    if (wait || bound_seq == 0) {
      bound_seq = page->bound_seq;
      not_answered = page->not_answered;
      wait = false;
    }
    from = page->next;
  }
  table.end(bound_seq, not_answered);
  if (!not_answered.empty()) {
    failed("walk-inodes",
           fmt::format("complete only up to {}: no answer from {}", bound_seq, not_answered));
  }
  return kOk;
}

int run(const Options& options) {
  FsClient::Index index = FsClient::Index::meta_seq;
  if (strcasecmp(options.index.c_str(), "data_seq") == 0) {
    index = FsClient::Index::data_seq;
  } else if (strcasecmp(options.index.c_str(), "meta_seq") != 0) {
    return misused(
        "walk-inodes",
        fmt::format("unknown index '{}', try 'meta_seq' or 'data_seq'", options.index));
  }
  std::string rest;
  const auto first = parse_index_position(options.first, &rest);
  if (!first.has_value()) {
    return misused("walk-inodes", fmt::format("bad index pos at '{}': invalid first position "
                                              "'{}', try MAJOR[.MINOR[.INO]]",
                                              rest, options.first));
  }
  const auto last = parse_index_position(options.last, &rest);
  if (!last.has_value()) {
    return misused("walk-inodes", fmt::format("bad index pos at '{}': invalid last position "
                                              "'{}', try MAJOR[.MINOR[.INO]]",
                                              rest, options.last));
  }
  const std::string path = options.path.get();
  const auto client = FsClient::open(path);
  if (!client.has_value()) return failed("walk-inodes", explain_errno(path, client.error()));
  const auto info = client->mount_info();
  if (!info.has_value()) return failed("walk-inodes", explain_errno(path, info.error()));
  IndexEntry from{}, to{};
  if (!to_range(*first, *last, from, to)) {
    Table(options.json).end(0, "");
    return kOk;
  }
  return walk(*client, path, index, from, to, options);
}

}  // namespace

void add_walk_inodes(Commands& commands) {
  auto options = std::make_shared<Options>();
  CLI::App* const command = commands.add(
      "walk-inodes", "List the inodes that changed, in the order of their last change.",
      [options] { return run(*options); });
  command
      ->add_option("index", options->index,
                   "meta_seq: any change of an inode; data_seq: of a file's contents")
      ->required();
  command
      ->add_option("first", options->first,
                   "first position, MAJOR[.MINOR[.INO]]; MAJOR is a sequence number")
      ->required();
  command->add_option("last", options->last, "last position; -1 is the end")->required();
  options->path.add_to(*command);
  command->add_flag("--no-barrier", options->no_barrier,
                    "do not have other nodes commit first: end below what they have open");
  command->add_flag("--json", options->json, "print JSON");
  command->footer(
      "The rows are complete: what changed on any node before the walk began is among them, "
      "or the command says up to which sequence number it is complete.");
}

}  // namespace scoutfs::cli
