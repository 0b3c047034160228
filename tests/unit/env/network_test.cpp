#include "engine/env/network.hpp"

#include "tests/test.hpp"

using namespace scoutfs;

BOOST_AUTO_TEST_CASE(an_address_is_an_ip_and_perhaps_a_port) {
  BOOST_CHECK(parse_address("127.0.0.1").value() == (Address{.ip = 0x7f000001, .port = 0}));
  BOOST_CHECK(parse_address("10.1.2.3:7000").value() == (Address{0x0a010203, 7000}));
  BOOST_CHECK(parse_address("255.255.255.255:65535").value() == (Address{0xffffffff, 65535}));
  BOOST_CHECK(parse_address("0.0.0.0:0").value() == Address{});
}

BOOST_AUTO_TEST_CASE(what_is_no_address_is_refused) {
  for (const char* text : {"",
                           ".",
                           "1",
                           "1.2.3",
                           "1.2.3.",
                           "1.2.3.4.",
                           "1.2.3.4.5",
                           "256.1.1.1",
                           "1.2.3.999",
                           "1.2.3.4:",
                           "1.2.3.4:65536",
                           "1.2.3.4:1x",
                           "1.2.3.4 ",
                           " 1.2.3.4",
                           "1..2.3",
                           "a.b.c.d",
                           "-1.2.3.4",
                           "+1.2.3.4",
                           "1.2.3.4:-1",
                           "1.2.3.4:+1",
                           "localhost",
                           "::1",
                           "1.2.3.4:1:2",
                           "99999999999.1.1.1",
                           "0x7f.0.0.1"}) {
    BOOST_TEST(failed_with(parse_address(text), Errc::invalid), text);
  }
}

RC_BOOST_PROP(an_address_is_read_back_from_its_text, (std::uint32_t ip, std::uint16_t port)) {
  const Address address{.ip = ip, .port = port};
  RC_ASSERT(parse_address(to_string(address)).value() == address);
}

RC_BOOST_PROP(no_text_is_more_than_refused, (std::string text)) {
  const Result<Address> address = parse_address(text);
  RC_ASSERT(address.has_value() || address.error().code == Errc::invalid);
}
