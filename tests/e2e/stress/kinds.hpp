// The kinds of subjects: each has a state for every version, a change from one version to the
// next, and several ways to look at it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace scoutfs::stress {

// A subject as one process sees it: its paths in this process's mount, and what it keeps open.
struct Subject {
  std::string path;   // of the subject itself
  std::string other;  // of a second name, in another directory
  int fd = -1;        // of `path`, kept open for reading; -1 where the kind does not want it
  // Of the first kContentBytes; null where the mount does not let files be mapped shared.
  const volatile std::uint64_t* mapping = nullptr;
  // The same, private and of a descriptor that may write; null where `mapping` is.
  const volatile std::uint64_t* private_mapping = nullptr;
};

inline constexpr std::uint64_t kContentBytes = 8192;

// What a look saw. Errors other than those that are an answer (ENOENT of a name that is not
// there) are in `error`.
struct Sight {
  std::uint64_t value = 0;
  int error = 0;
};

struct Look {
  const char* name;
  Sight (*look)(const Subject& subject);
  // What it sees of that version.
  std::uint64_t (*expected)(std::uint64_t version);
  // It reads to the end of a file through a descriptor of long ago. Where that is cached, an
  // older end may be seen while the lock moves on (node/kernel_cache.hpp): counted apart.
  bool ends_at_size = false;
};

struct Kind {
  const char* name;
  // Both return errno or 0. `prepare` makes version 0, `change` makes `version` of the one
  // before.
  int (*prepare)(const Subject& subject);
  int (*change)(const Subject& subject, std::uint64_t version);
  std::span<const Look> looks;
  bool keeps_open;
};

std::span<const Kind> kinds();

}  // namespace scoutfs::stress
