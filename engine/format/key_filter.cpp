// Key filters.
#include "engine/format/key_filter.hpp"

#include "engine/base/assert.hpp"

namespace scoutfs::format {
namespace {

constexpr int kProbes = 6;

std::size_t line_of(std::uint64_t hash, std::size_t line_count) {
  return static_cast<std::size_t>((hash >> 32) * line_count >> 32);
}

// Calls visit(bit) for each bit of the key within its line, until it returns false.
template <class Visit>
bool each_bit(std::uint64_t hash, Visit visit) {
  auto p = static_cast<std::uint32_t>(hash);
  for (int i = 0; i < kProbes; ++i) {
    if (!visit(p >> 23)) return false;
    p *= 0x9e3779b1U;
  }
  return true;
}

}  // namespace

std::string build_filter(const std::vector<std::uint64_t>& hashes) {
  SCOUTFS_ASSERT(!hashes.empty());
  std::string filter(filter_size(hashes.size()), '\0');
  const std::size_t line_count = filter.size() / kFilterLine;
  for (const std::uint64_t hash : hashes) {
    char* const line = filter.data() + line_of(hash, line_count) * kFilterLine;
    each_bit(hash, [line](std::uint32_t bit) {
      line[bit / 8] = static_cast<char>(line[bit / 8] | (1 << (bit % 8)));
      return true;
    });
  }
  return filter;
}

bool filter_may_hold(std::string_view filter, std::uint64_t hash) {
  const std::size_t line_count = filter.size() / kFilterLine;
  const char* const line = filter.data() + line_of(hash, line_count) * kFilterLine;
  return each_bit(hash, [line](std::uint32_t bit) {
    return (static_cast<unsigned char>(line[bit / 8]) >> (bit % 8) & 1) != 0;
  });
}

}  // namespace scoutfs::format
