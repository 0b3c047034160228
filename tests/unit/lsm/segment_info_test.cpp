// SegmentInfo and Placed: coverage and encodings.
#include "engine/lsm/segment.hpp"

#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

SegmentInfo sample() {
  SegmentInfo info;
  info.ref = {{BlockNo{100}, 7}, 0x1122334455667788};
  info.item_count = 300;
  info.coverage = {{"b", "d"}, {"k", "k"}, {"m", "p"}};
  return info;
}

BOOST_AUTO_TEST_SUITE(segment_info)

BOOST_AUTO_TEST_CASE(it_may_hold_only_keys_of_its_ranges) {
  const SegmentInfo info = sample();
  for (const char* key : {"b", "c", "d", "k", "m", "o", "p"}) BOOST_TEST(info.may_hold(key));
  for (const char* key : {"", "a", "da", "e", "ka", "l", "pa", "z"}) {
    BOOST_TEST(!info.may_hold(key));
  }
}

BOOST_AUTO_TEST_CASE(it_overlaps_ranges_that_share_a_key_with_it) {
  const SegmentInfo info = sample();
  BOOST_TEST(info.overlaps({"a", "b"}));
  BOOST_TEST(info.overlaps({"a", "z"}));
  BOOST_TEST(info.overlaps({"p", "z"}));
  BOOST_TEST(info.overlaps({"j", "l"}));
  BOOST_TEST(!info.overlaps({"", "a"}));
  BOOST_TEST(!info.overlaps({"e", "j"}));
  BOOST_TEST(!info.overlaps({"q", "z"}));
}

BOOST_AUTO_TEST_CASE(encode_and_decode_are_inverse) {
  const Placed placed{sample(), 3, RecordNo{99}};
  std::string bytes;
  Writer writer(bytes);
  encode(writer, placed);
  Reader reader(bytes);
  BOOST_TEST((decode_placed(reader) == placed));
  BOOST_TEST(reader.finished());
}

BOOST_AUTO_TEST_CASE(every_truncation_is_bad) {
  std::string bytes;
  Writer writer(bytes);
  encode(writer, Placed{sample(), 3, RecordNo{99}});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Reader reader(std::string_view(bytes).substr(0, size));
    decode_placed(reader);
    BOOST_TEST(!reader.good());
  }
}

BOOST_AUTO_TEST_CASE(ranges_out_of_order_are_bad) {
  SegmentInfo info = sample();
  std::swap(info.coverage[0], info.coverage[1]);
  std::string bytes;
  Writer writer(bytes);
  encode(writer, info);
  Reader reader(bytes);
  decode_segment_info(reader);
  BOOST_TEST(!reader.good());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::lsm
