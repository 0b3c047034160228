// The allocator of the twin build: no two blocks of one size are as far apart as in another
// build, what is allocated is full of junk, and so is what was freed. A program whose behaviour
// depends on addresses or on bytes that it never wrote behaves differently with it.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

constexpr std::size_t kUnit = 16;  // bytes; the alignment that operator new promises

struct Header {
  std::size_t size;
  std::size_t skipped;  // units between the block that malloc gave and this header
};
static_assert(sizeof(Header) == kUnit);

std::uint64_t drawn = 0x9e3779b97f4a7c15;

void* allocate(std::size_t size) {
  drawn = drawn * 6364136223846793005 + 1442695040888963407;
  const std::size_t skipped = static_cast<std::size_t>(drawn >> 60);
  char* const block = static_cast<char*>(std::malloc(size + (skipped + 1) * kUnit));
  if (block == nullptr) std::abort();
  char* const start = block + skipped * kUnit;
  const Header header{.size = size, .skipped = skipped};
  std::memcpy(start, &header, sizeof header);
  std::memset(start + kUnit, static_cast<int>(drawn >> 32 & 0xff), size);
  return start + kUnit;
}

void release(void* pointer) {
  if (pointer == nullptr) return;
  char* const start = static_cast<char*>(pointer) - kUnit;
  Header header;
  std::memcpy(&header, start, sizeof header);
  std::memset(pointer, 0xdb, header.size);
  std::free(start - header.skipped * kUnit);
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size);
}
void* operator new[](std::size_t size) {
  return allocate(size);
}
void operator delete(void* pointer) noexcept {
  release(pointer);
}
void operator delete[](void* pointer) noexcept {
  release(pointer);
}
void operator delete(void* pointer, std::size_t) noexcept {
  release(pointer);
}
void operator delete[](void* pointer, std::size_t) noexcept {
  release(pointer);
}
