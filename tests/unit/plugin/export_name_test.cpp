#include "nbd/export_name.hpp"

namespace scoutfs::nbd {
namespace {

const std::string kSecret(32, 's');

Identity sample() {
  return {.fsid = Fsid{0xabc},
          .node = "host 1%/&",
          .who = {.rid = Rid{0x12}, .epoch = Epoch{7}},
          .role = Role::leader,
          .session = 3,
          .table = 0xfe,
          .born = 12};
}

BOOST_AUTO_TEST_SUITE(export_name)

BOOST_AUTO_TEST_CASE(an_identity_comes_back_from_its_name) {
  const std::string name = encode(sample(), kSecret);
  BOOST_TEST((parse_identity(name).value() == sample()));
  BOOST_TEST(verify(name, kSecret));
  BOOST_TEST(name.size() < kExportNameMax);
}

BOOST_AUTO_TEST_CASE(the_name_is_pinned) {
  const std::string name = encode(sample(), kSecret);
  BOOST_TEST(name.substr(0, name.find("&mac=")) ==
             "scoutfs/1?volume=0000000000000abc&node=host%201%25%2F%26&rid=0000000000000012"
             "&epoch=7&role=leader&session=3&table=00000000000000fe&born=12");
}

BOOST_AUTO_TEST_CASE(another_secret_does_not_verify) {
  const std::string name = encode(sample(), kSecret);
  BOOST_TEST(!verify(name, std::string(32, 't')));
}

BOOST_AUTO_TEST_CASE(no_byte_of_a_name_can_be_changed) {
  const std::string name = encode(sample(), kSecret);
  for (std::size_t i = 0; i < name.size(); ++i) {
    std::string other = name;
    other[i] = static_cast<char>(other[i] ^ 1);
    const bool passes = parse_identity(other).has_value() && verify(other, kSecret);
    BOOST_TEST(!passes);
    BOOST_TEST(!parse_identity(name.substr(0, i)).has_value());
  }
}

BOOST_AUTO_TEST_CASE(other_spellings_are_refused) {
  const std::string mac = "&mac=" + std::string(64, '0');
  const std::string tail = "&role=mount&session=1&table=0000000000000000&born=0" + mac;
  const std::string head = "scoutfs/1?volume=0000000000000001&node=a&rid=0000000000000002";
  BOOST_TEST(parse_identity(head + "&epoch=1" + tail).has_value());
  BOOST_TEST(!parse_identity(head + "&epoch=01" + tail).has_value());
  BOOST_TEST(!parse_identity(head + "&epoch=" + tail).has_value());
  BOOST_TEST(!parse_identity(head + "&epoch=99999999999999999999" + tail).has_value());
  BOOST_TEST(!parse_identity("scoutfs/1?" + mac).has_value());
  BOOST_TEST(!parse_identity("").has_value());
}

BOOST_AUTO_TEST_CASE(an_offer_comes_back_from_its_description) {
  const Offer offer{.table = 0x77, .generation = 5, .boot = "ab-cd ef"};
  BOOST_TEST(encode(offer) ==
             "scoutfs fencing 1 table=0000000000000077 generation=5 boot=ab-cd%20ef");
  BOOST_TEST((parse_offer(encode(offer)).value() == offer));
  BOOST_TEST(!parse_offer("a disk").has_value());
}

RC_BOOST_PROP(any_identity_comes_back, (const std::string& node, std::uint64_t rid,
                                        std::uint64_t epoch, std::uint64_t session)) {
  Identity identity = sample();
  identity.node = node.substr(0, kNodeNameMax);
  identity.who = {Rid{rid}, Epoch{epoch}};
  identity.session = session;
  RC_ASSERT(parse_identity(encode(identity, kSecret)).value() == identity);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::nbd
