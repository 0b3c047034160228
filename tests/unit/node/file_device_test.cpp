// Image files as devices.
#include "node/file_device.hpp"

#include "engine/base/codec.hpp"
#include "node/open_device.hpp"
#include "tests/support/node_files.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

using testing::pattern;
using testing::TemporaryDirectory;

// From an address that direct I/O does not accept, unless `shift` is 0.
Task<Result<void>> put(BlockDevice& device, BlockNo at, std::string bytes, std::size_t shift,
                       Durability durability) {
  std::vector<std::byte> space(shift + bytes.size() + kBlockSize);
  const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(space.data()) % kBlockSize;
  const std::size_t start = kBlockSize - misaligned + shift;
  space.resize(start + bytes.size());
  std::memcpy(space.data() + start, bytes.data(), bytes.size());
  co_return co_await device.write(at, std::span<const std::byte>(space).subspan(start),
                                  durability);
}

Task<Result<std::string>> get(BlockDevice& device, BlockNo at, std::size_t size) {
  std::string bytes(size + 3, '?');
  SCOUTFS_CO_CHECK(
      co_await device.read(at, std::as_writable_bytes(std::span<char>(bytes).subspan(3))));
  co_return bytes.substr(3);
}

BOOST_AUTO_TEST_SUITE(file_device)

BOOST_AUTO_TEST_CASE(what_is_written_is_read_from_any_alignment) {
  TemporaryDirectory directory;
  EventLoop loop;
  std::string why;
  const auto device = FileDevice::open(loop, directory.image("image", 1u << 20),
                                       FileDevice::Access::read_write, why);
  BOOST_REQUIRE_MESSAGE(device.has_value(), why);
  for (const std::size_t shift : {0U, 1U, 8U, 512U}) {
    for (const Durability durability : {Durability::after_flush, Durability::on_completion}) {
      const std::string bytes = pattern(shift, 4 * kBlockSize);
      BOOST_TEST(loop.run(put(**device, BlockNo{9}, bytes, shift, durability)).has_value());
      BOOST_TEST((loop.run(get(**device, BlockNo{9}, bytes.size())).value() == bytes));
    }
  }
  BOOST_TEST(loop.run((*device)->flush()).has_value());
}

BOOST_AUTO_TEST_CASE(a_uri_of_another_kind_is_told_from_a_file_that_is_missing) {
  EventLoop loop;
  std::string why;
  const std::string disk = "https://storage/disk";
  BOOST_TEST(failed_with(loop.run(open_device(disk, loop, why)), Errc::invalid));
  BOOST_TEST((why.find("only nbd://") != std::string::npos));
  BOOST_TEST(failed_with(loop.run(open_device("./a://b", loop, why)), Errc::not_found));
}

BOOST_AUTO_TEST_CASE(two_devices_on_one_file_see_each_others_writes) {
  TemporaryDirectory directory;
  EventLoop loop;
  std::string why;
  const std::string path = directory.image("image", (1u << 20) + 100);
  const auto one = loop.run(open_device(path, loop, why));
  const auto two = loop.run(open_device(path, loop, why));
  BOOST_REQUIRE(one.has_value());
  BOOST_REQUIRE(two.has_value());
  BOOST_TEST((*one)->block_count() == 256U);
  const std::string bytes = pattern(1, kBlockSize);
  BOOST_TEST(loop.run(put(**one, BlockNo{255}, bytes, 0, Durability::after_flush)).has_value());
  BOOST_TEST((loop.run(get(**two, BlockNo{255}, kBlockSize)).value() == bytes));
}

BOOST_AUTO_TEST_CASE(a_file_that_became_shorter_is_an_io_error) {
  TemporaryDirectory directory;
  EventLoop loop;
  std::string why;
  const std::string path = directory.image("image", 1u << 20);
  const auto device = loop.run(open_device(path, loop, why));
  BOOST_REQUIRE(device.has_value());
  BOOST_TEST(truncate(path.c_str(), 4096) == 0);
  BOOST_TEST(failed_with(loop.run(get(**device, BlockNo{9}, kBlockSize)), Errc::io_error));
}

Task<void> write_one(BlockDevice& device, std::uint64_t at, int* written) {
  const Result<void> result =
      co_await put(device, BlockNo(at), pattern(at, kBlockSize), 0, Durability::after_flush);
  if (result.has_value()) ++*written;
}

BOOST_AUTO_TEST_CASE(many_requests_run_beside_each_other) {
  TemporaryDirectory directory;
  EventLoop loop;
  std::string why;
  const auto device = loop.run(open_device(directory.image("image", 4u << 20), loop, why));
  BOOST_REQUIRE(device.has_value());
  int written = 0;
  {
    TaskScope scope(loop.scheduler());
    for (std::uint64_t i = 0; i < 1000; ++i) scope.spawn(write_one(**device, i, &written));
    loop.run(scope.drain());
  }
  BOOST_TEST(written == 1000);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto found = loop.run(get(**device, BlockNo{i}, kBlockSize));
    BOOST_REQUIRE((found.value() == pattern(i, kBlockSize)));
  }
}

BOOST_AUTO_TEST_CASE(a_killed_node_leaves_requests_in_flight_behind) {
  TemporaryDirectory directory;
  EventLoop loop;
  std::string why;
  const auto device = loop.run(open_device(directory.image("image", 4u << 20), loop, why));
  BOOST_REQUIRE(device.has_value());
  int written = 0;
  TaskScope scope(loop.scheduler());
  for (std::uint64_t i = 0; i < 1000; ++i) scope.spawn(write_one(**device, i, &written));
  loop.scheduler().run(1000);
  loop.scheduler().kill();
  BOOST_TEST(written == 0);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_opened_is_told_apart) {
  TemporaryDirectory directory;
  EventLoop loop;
  std::string why;
  BOOST_TEST(
      failed_with(loop.run(open_device(directory.file("none"), loop, why)), Errc::not_found));
  BOOST_TEST((why.find("No such file") != std::string::npos));
  BOOST_TEST(failed_with(loop.run(open_device(directory.path(), loop, why)), Errc::invalid));
  BOOST_TEST(failed_with(loop.run(open_device("/dev/null", loop, why)), Errc::invalid));
  BOOST_TEST((why.find("neither a block device nor a file") != std::string::npos));
  BOOST_TEST(failed_with(loop.run(open_device(directory.image("small", 4095), loop, why)),
                         Errc::invalid));
  BOOST_TEST(is_nbd_uri("nbd://host/export"));
  BOOST_TEST(is_nbd_uri("nbds+unix:///?socket=x"));
  BOOST_TEST(!is_nbd_uri("/dev/nbd0"));
  BOOST_TEST(!is_nbd_uri("http://host"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
