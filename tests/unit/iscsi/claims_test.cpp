// The cells that say who may register again.
#include "iscsi/claims.hpp"

#include "tests/test.hpp"

namespace scoutfs::iscsi {
namespace {

constexpr std::size_t kCell = 512;  // bytes
constexpr std::size_t kCount = (kClaimsEnd - kClaimsBegin) / kCell;

std::string with(std::size_t cell, ReservationKey key, std::string bytes) {
  return bytes.replace(cell * kCell, kCell, encode_claim(cell, key, kCell));
}

BOOST_AUTO_TEST_SUITE(claims)

BOOST_AUTO_TEST_CASE(a_cell_is_its_owners_until_it_is_emptied) {
  std::string bytes(kClaimsEnd - kClaimsBegin, '\0');
  bytes = with(3, 77, with(5, 77, with(4, 78, bytes)));
  const Claims claims(bytes, kCell);
  BOOST_TEST(claims.count() == kCount);
  BOOST_TEST((claims.cells_of(77) == std::vector<std::size_t>{3, 5}));
  BOOST_TEST(claims.owner(4) == 78U);
  BOOST_TEST(Claims(with(4, 0, bytes), kCell).owner(4) == 0U);
}

BOOST_AUTO_TEST_CASE(what_no_registrant_wrote_is_nobodys) {
  std::string bytes(kClaimsEnd - kClaimsBegin, 'x');
  BOOST_TEST(Claims(bytes, kCell).owner(0) == 0U);
  // A cell that lies at another one's place, and a damaged one.
  bytes.replace(0, kCell, encode_claim(1, 77, kCell));
  bytes = with(2, 77, bytes);
  bytes[2 * kCell + kCell - 1] = 'x';
  const Claims claims(bytes, kCell);
  BOOST_TEST(claims.owner(0) == 0U);
  BOOST_TEST(claims.owner(2) == 0U);
}

BOOST_AUTO_TEST_CASE(a_newcomer_takes_a_free_cell_or_that_of_somebody_who_is_gone) {
  std::string bytes(kClaimsEnd - kClaimsBegin, '\0');
  std::vector<ReservationKey> registered;
  for (std::size_t cell = 0; cell < kCount; ++cell) {
    if (cell != 9) bytes = with(cell, 100 + cell, bytes);
    registered.push_back(100 + cell);
  }
  BOOST_TEST((Claims(bytes, kCell).place_for(1, registered) == std::optional<std::size_t>(9)));
  bytes = with(9, 109, bytes);
  BOOST_TEST((Claims(bytes, kCell).place_for(1, registered) == std::nullopt));
  std::erase(registered, ReservationKey{104});
  BOOST_TEST((Claims(bytes, kCell).place_for(1, registered) == std::optional<std::size_t>(4)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::iscsi
