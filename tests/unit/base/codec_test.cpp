#include "engine/base/codec.hpp"

#include "tests/test.hpp"

using namespace scoutfs;

namespace {

std::string written(void (*write)(Writer&)) {
  std::string out;
  Writer writer(out);
  write(writer);
  return out;
}

std::uint64_t varint_of(std::string_view bytes, bool* good) {
  Reader reader(bytes);
  const std::uint64_t value = reader.get_varint();
  *good = reader.finished();
  return value;
}

}  // namespace

BOOST_AUTO_TEST_CASE(fields_have_the_bytes_the_formats_promise) {
  const std::string out = written([](Writer& writer) {
    writer.put(std::uint8_t{0x11});
    writer.put(std::uint16_t{0x2233});
    writer.put(std::uint32_t{0x44556677});
    writer.put_big(std::uint32_t{0x44556677});
    writer.put(Ino{0x0102030405060708});
    writer.put(Term{.number = 9, .slot = 0x0a0b});
    writer.put(Extent{.start = BlockNo{1}, .count = 2});
    writer.put(Incarnation{.rid = Rid{3}, .epoch = Epoch{4}});
    writer.put_bool(true);
    writer.put_string("xy");
  });
  const auto zeros = [](std::size_t count) { return std::string(count, '\0'); };
  const std::string expected = std::string("\x11\x33\x22\x77\x66\x55\x44\x44\x55\x66\x77") +
                               "\x08\x07\x06\x05\x04\x03\x02\x01" + "\x09" + zeros(7) +
                               "\x0b\x0a" + "\x01" + zeros(7) + "\x02" + zeros(7) + "\x03" +
                               zeros(7) + "\x04" + zeros(7) + "\x01" + "\x02xy";
  BOOST_TEST(out == expected);
}

BOOST_AUTO_TEST_CASE(a_reader_returns_what_a_writer_was_given) {
  const std::string out = written([](Writer& writer) {
    writer.put(std::uint64_t{1} << 63);
    writer.put_big(std::uint16_t{0x1234});
    writer.put(Seq{77});
    writer.put(Term{.number = 5, .slot = 6});
    writer.put(Extent{.start = BlockNo{7}, .count = 8});
    writer.put(Incarnation{.rid = Rid{9}, .epoch = Epoch{10}});
    writer.put_bool(false);
    writer.put_varint(300);
    writer.put_string("name");
    writer.put_raw("tail");
  });
  Reader reader(out);
  BOOST_TEST(reader.get<std::uint64_t>() == std::uint64_t{1} << 63);
  BOOST_TEST(reader.get_big<std::uint16_t>() == 0x1234);
  BOOST_CHECK(reader.get_id<Seq>() == Seq{77});
  BOOST_CHECK(reader.get_term() == (Term{.number = 5, .slot = 6}));
  BOOST_CHECK(reader.get_extent() == (Extent{.start = BlockNo{7}, .count = 8}));
  BOOST_CHECK(reader.get_incarnation() == (Incarnation{.rid = Rid{9}, .epoch = Epoch{10}}));
  BOOST_TEST(!reader.get_bool());
  BOOST_TEST(reader.get_varint() == 300);
  BOOST_TEST(reader.get_string() == "name");
  BOOST_TEST(!reader.finished());
  BOOST_TEST(reader.remaining() == 4);
  BOOST_TEST(reader.rest() == "tail");
  BOOST_TEST(reader.finished());
}

BOOST_AUTO_TEST_CASE(reading_past_the_end_gives_zeros_and_stays_bad) {
  Reader reader("\x01\x02\x03");
  BOOST_TEST(reader.get<std::uint32_t>() == 0);
  BOOST_TEST(!reader.good());
  BOOST_TEST(reader.get<std::uint8_t>() == 0);  // although a byte is there
  BOOST_TEST(reader.get_string().empty());
  BOOST_TEST(reader.get_raw(1).empty());
  BOOST_TEST(reader.rest().empty());
  BOOST_TEST(reader.get_varint() == 0);
  BOOST_TEST(reader.get_count(1) == 0);
  BOOST_TEST(!reader.rest_is_zero());
  BOOST_TEST(!reader.finished());
}

BOOST_AUTO_TEST_CASE(every_value_has_one_encoding_that_is_accepted) {
  bool good = false;
  BOOST_TEST(varint_of(std::string("\x80\x00", 2), &good) == 0);  // zero in two bytes
  BOOST_TEST(!good);
  BOOST_TEST(varint_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", &good) == ~std::uint64_t{0});
  BOOST_TEST(good);
  BOOST_TEST(varint_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", &good) == 0);  // 65 bits
  BOOST_TEST(!good);
  varint_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", &good);  // eleven bytes
  BOOST_TEST(!good);
  Reader two("\x02");
  BOOST_TEST(!two.get_bool());
  BOOST_TEST(!two.good());
}

BOOST_AUTO_TEST_CASE(lengths_and_counts_from_outside_are_bounded) {
  Reader longer(
      "\x05"
      "abcd");
  BOOST_TEST(longer.get_string().empty());
  BOOST_TEST(!longer.good());
  Reader over_the_limit(
      "\x03"
      "abc");
  BOOST_TEST(over_the_limit.get_string(2).empty());
  BOOST_TEST(!over_the_limit.good());
  Reader fits(
      "\x02"
      "abcd");
  BOOST_TEST(fits.get_count(2) == 2);
  BOOST_TEST(fits.good());
  Reader too_many(
      "\x03"
      "abcd");
  BOOST_TEST(too_many.get_count(2) == 0);
  BOOST_TEST(!too_many.good());
}

BOOST_AUTO_TEST_CASE(reserved_bytes_are_checked_to_be_zero) {
  std::string bytes;
  Writer writer(bytes);
  writer.put(std::uint8_t{1});
  writer.pad_to(8);
  BOOST_TEST(bytes.size() == 8);
  Reader good(bytes);
  good.get<std::uint8_t>();
  BOOST_TEST(good.rest_is_zero());
  BOOST_TEST(good.finished());
  bytes[7] = 1;
  Reader bad(bytes);
  bad.get<std::uint8_t>();
  BOOST_TEST(!bad.rest_is_zero());
}

RC_BOOST_PROP(any_varint_comes_back_in_the_fewest_bytes, (std::uint64_t value)) {
  std::string out;
  Writer(out).put_varint(value);
  bool good = false;
  RC_ASSERT(varint_of(out, &good) == value);
  RC_ASSERT(good);
  const auto bits = static_cast<std::size_t>(std::bit_width(value));
  RC_ASSERT(out.size() == std::max<std::size_t>(1, (bits + 6) / 7));
}

RC_BOOST_PROP(what_is_read_as_a_varint_is_what_would_be_written, (std::string bytes)) {
  Reader reader(bytes);
  const std::uint64_t value = reader.get_varint();
  if (!reader.good()) return;
  std::string again;
  Writer(again).put_varint(value);
  RC_ASSERT(again == bytes.substr(0, reader.position()));
}

RC_BOOST_PROP(big_endian_keeps_the_order_of_integers, (std::uint64_t a, std::uint64_t b)) {
  std::string left, right;
  Writer(left).put_big(a);
  Writer(right).put_big(b);
  RC_ASSERT((a < b) == (left < right));
  RC_ASSERT(Reader(left).get_big<std::uint64_t>() == a);
}

RC_BOOST_PROP(no_input_makes_a_reader_leave_its_bounds,
              (std::string bytes, std::vector<std::uint8_t> calls)) {
  Reader reader(bytes);
  for (const std::uint8_t call : calls) {
    switch (call % 6) {
      case 0:
        reader.get<std::uint64_t>();
        break;
      case 1:
        reader.get_string(call);
        break;
      case 2:
        reader.get_varint();
        break;
      case 3:
        reader.get_raw(call);
        break;
      case 4:
        reader.get_count(1 + call % 4);
        break;
      default:
        reader.get_bool();
        break;
    }
    RC_ASSERT(reader.position() <= bytes.size());
    RC_ASSERT(reader.remaining() == bytes.size() - reader.position());
  }
}
