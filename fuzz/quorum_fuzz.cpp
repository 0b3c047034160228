// Quorum blocks. What decodes is what encode() gives.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"
#include "engine/format/quorum.hpp"

// The input is the block behind its checksum, which is supplied.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace scoutfs;
  constexpr Fsid kFsid{7};
  constexpr std::uint16_t kSlot = 2;
  if (size > kBlockSize - 8) return 0;
  std::string image(8, '\0');
  image.append(reinterpret_cast<const char*>(data), size);
  image.resize(kBlockSize);
  const std::uint64_t seed = mix(kFsid.value, kSlot);
  store_little(image.data(), checksum64(std::string_view(image).substr(8), seed));

  const Result<format::QuorumBlock> block = format::decode_quorum_block(image, kFsid, kSlot);
  if (!block.has_value()) return 0;
  SCOUTFS_ASSERT(format::encode(*block, kFsid) == image);
  return 0;
}
