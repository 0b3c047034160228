// Included before every file of a tree with planted mutants: which of them is awake.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

namespace scoutfs_mutants {

// Numbers lie below it; mutation/plant.py makes them of the mutants' names.
inline constexpr int kNumberEnd = 1 << 22;

// SCOUTFS_MUTANT=N wakes mutant N. SCOUTFS_MUTANTS_REACHED=FILE, of kNumberEnd bytes, is told
// which were reached, by any process of the run.
inline const int awake = [] {
  const char* number = std::getenv("SCOUTFS_MUTANT");
  return number == nullptr ? -1 : std::atoi(number);
}();

inline unsigned char* const reached = []() -> unsigned char* {
  static unsigned char nowhere[kNumberEnd];
  const char* path = std::getenv("SCOUTFS_MUTANTS_REACHED");
  const int fd = path == nullptr ? -1 : ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return nowhere;
  void* map = ::mmap(nullptr, kNumberEnd, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  return map == MAP_FAILED ? nowhere : static_cast<unsigned char*>(map);
}();

}  // namespace scoutfs_mutants

inline bool scoutfs_mutant(int number) {
  scoutfs_mutants::reached[number] = 1;
  return number == scoutfs_mutants::awake;
}
