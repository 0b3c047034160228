#include "iscsi/claims.hpp"

#include <algorithm>

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"

namespace scoutfs::iscsi {

namespace {

constexpr std::uint64_t kMagic = 0x6d69'616c'6373'6373;  // arbitrary, of these cells only
constexpr std::size_t kUsed = 32;                        // bytes of a cell

}  // namespace

Claims::Claims(std::string_view bytes, std::size_t cell_size) {
  SCOUTFS_ASSERT(bytes.size() == kClaimsEnd - kClaimsBegin);
  SCOUTFS_ASSERT(cell_size >= kUsed);
  SCOUTFS_ASSERT(bytes.size() % cell_size == 0);
  for (std::size_t cell = 0; cell < bytes.size() / cell_size; ++cell) {
    const std::string_view image = bytes.substr(cell * cell_size, cell_size);
    const auto key = load_little<std::uint64_t>(image.data() + 16);
    owners_.push_back(image == encode_claim(cell, key, cell_size) ? key : 0);
  }
}

std::vector<std::size_t> Claims::cells_of(ReservationKey key) const {
  std::vector<std::size_t> cells;
  for (std::size_t cell = 0; cell < owners_.size(); ++cell) {
    if (owners_[cell] == key) cells.push_back(cell);
  }
  return cells;
}

std::optional<std::size_t> Claims::place_for(
    ReservationKey key, const std::vector<ReservationKey>& registered) const {
  // From a place of its own on, so that newcomers of one moment do not meet.
  const std::size_t begin = mix(key, 0) % owners_.size();
  for (const bool take_over : {false, true}) {
    for (std::size_t i = 0; i < owners_.size(); ++i) {
      const std::size_t cell = (begin + i) % owners_.size();
      const ReservationKey owner = owners_[cell];
      if (owner == 0) return cell;
      if (take_over && std::ranges::find(registered, owner) == registered.end()) return cell;
    }
  }
  return std::nullopt;
}

std::string encode_claim(std::size_t cell, ReservationKey key, std::size_t cell_size) {
  std::string image(cell_size, '\0');
  store_little(image.data() + 8, kMagic);
  store_little(image.data() + 16, key);
  store_little(image.data(), checksum64(std::string_view(image).substr(8, kUsed - 8), cell));
  return image;
}

}  // namespace scoutfs::iscsi
