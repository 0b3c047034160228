// What is read ahead, and when it may no longer be used.
#include "node/read_ahead.hpp"

#include <algorithm>
#include <vector>

#include "node/loop/event_loop.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

constexpr std::size_t kPiece = 256u << 10;  // bytes
constexpr Ino kFile{7};

// Files of one size whose bytes are all `value`.
struct Files final : ReadAhead::Source {
  explicit Files(Scheduler& scheduler) : gate(scheduler) { gate.set(); }
  Task<Result<std::size_t>> read(Ino, std::uint64_t offset, std::span<std::byte> out,
                                 Cancellation*) override {
    offsets.push_back(offset);
    const std::byte seen = value;
    co_await gate.wait();
    const std::uint64_t left = size - std::min(size, offset);
    const std::size_t got = std::min<std::uint64_t>(left, out.size());
    std::fill_n(out.begin(), got, seen);
    co_return got;
  }
  std::uint64_t size = 16 * kPiece;
  std::byte value{1};
  std::vector<std::uint64_t> offsets;  // of reads
  Event gate;                          // they end when it is set
};

struct World {
  EventLoop loop;
  Files files{loop.scheduler()};
  ReadAhead ahead{loop.scheduler(), files};
  ~World() { loop.run(ahead.close()); }

  std::optional<ReadAhead::Data> take(std::uint64_t offset, std::size_t size = kPiece) {
    return loop.run(ahead.take(kFile, offset, size, nullptr));
  }
  // Two requests in a row: what follows is read ahead.
  void begin() {
    BOOST_TEST(!take(0).has_value());
    BOOST_TEST(!take(kPiece).has_value());
  }
};

BOOST_AUTO_TEST_SUITE(read_ahead)

BOOST_AUTO_TEST_CASE(the_second_request_in_a_row_reads_on) {
  World world;
  BOOST_TEST(!world.take(0).has_value());
  BOOST_TEST(world.files.offsets.empty());
  BOOST_TEST(!world.take(kPiece).has_value());
  for (std::uint64_t i = 2; i < 16; ++i) {
    const auto data = world.take(i * kPiece);
    BOOST_TEST_REQUIRE(data.has_value());
    BOOST_TEST(data->bytes().size() == kPiece);
    BOOST_TEST(data->fresh());
  }
  // Behind the end nothing is asked for again and again.
  const auto end = world.take(16 * kPiece);
  BOOST_TEST((!end.has_value() || end->bytes().empty()));
  BOOST_TEST(world.files.offsets.size() <= 16 + ReadAhead::kPiecesMax);
}

BOOST_AUTO_TEST_CASE(a_request_elsewhere_begins_anew) {
  World world;
  world.begin();
  BOOST_TEST(!world.take(9 * kPiece).has_value());
  BOOST_TEST(!world.take(2 * kPiece).has_value());
}

BOOST_AUTO_TEST_CASE(small_and_odd_requests_get_their_bytes_out_of_pieces) {
  World world;
  world.files.size = 3 * kPiece + 10;
  world.begin();
  std::uint64_t at = 2 * kPiece;
  for (const std::size_t size : {4096UL, 100UL << 10, kPiece}) {
    const auto data = world.take(at, size);
    BOOST_TEST_REQUIRE(data.has_value());
    const std::size_t left = world.files.size - at;
    BOOST_TEST(data->bytes().size() == std::min(size, left));
    BOOST_TEST(std::ranges::all_of(data->bytes(), [](char each) { return each == 1; }));
    at += size;
  }
}

BOOST_AUTO_TEST_CASE(what_is_dropped_is_not_fresh_whoever_has_it) {
  World world;
  world.begin();
  const auto held = world.take(2 * kPiece);
  BOOST_TEST_REQUIRE(held.has_value());
  world.ahead.drop(Ino{0}, Ino{6});
  BOOST_TEST(held->fresh());
  world.ahead.drop(Ino{0}, kFile);
  BOOST_TEST(!held->fresh());
  BOOST_TEST(!world.take(3 * kPiece).has_value());
}

BOOST_AUTO_TEST_CASE(who_waits_for_a_piece_that_is_dropped_reads_by_itself) {
  World world;
  world.files.gate.reset();
  world.begin();
  std::optional<bool> taken;
  TaskScope scope(world.loop.scheduler());
  struct Waiter {
    static Task<void> wait(World* of, std::optional<bool>* out) {
      const auto data = co_await of->ahead.take(kFile, 2 * kPiece, kPiece, nullptr);
      *out = data.has_value();
    }
  };
  scope.spawn(Waiter::wait(&world, &taken));
  world.loop.turn(0);
  BOOST_TEST(!taken.has_value());
  world.ahead.drop(kFile, kFile);
  world.loop.run(scope.drain());
  BOOST_TEST((taken == false));
  world.files.gate.set();
}

BOOST_AUTO_TEST_CASE(nothing_is_used_while_the_file_is_changed) {
  World world;
  world.begin();
  {
    const ReadAhead::Change change(world.ahead, kFile);
    world.files.value = std::byte{2};
    BOOST_TEST(!world.take(2 * kPiece).has_value());
    BOOST_TEST(!world.take(3 * kPiece).has_value());
    BOOST_TEST(!world.take(4 * kPiece).has_value());
  }
  BOOST_TEST(!world.take(5 * kPiece).has_value());
  BOOST_TEST(!world.take(6 * kPiece).has_value());
  const auto data = world.take(7 * kPiece);
  BOOST_TEST_REQUIRE(data.has_value());
  BOOST_TEST(data->bytes().front() == 2);
}

BOOST_AUTO_TEST_CASE(of_many_files_the_one_used_last_is_kept) {
  World world;
  for (std::uint64_t i = 0; i < 3 * ReadAhead::kStreamsMax; ++i) {
    const Ino ino{100 + i};
    BOOST_TEST(!world.loop.run(world.ahead.take(ino, 0, kPiece, nullptr)).has_value());
    BOOST_TEST(!world.loop.run(world.ahead.take(ino, kPiece, kPiece, nullptr)).has_value());
    const auto data = world.loop.run(world.ahead.take(ino, 2 * kPiece, kPiece, nullptr));
    BOOST_TEST(data.has_value());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
