#include "engine/session/channel.hpp"

#include "bench/engine_world.hpp"
#include "tests/support/run.hpp"
#include "tests/test.hpp"

namespace scoutfs::session {
namespace {

using bench::Pipe;
using bench::PipeEnd;

// Two ends of a session, and connections between them that can be cut.
struct Ends {
  explicit Ends(testing::World& world)
      : scope(world.scheduler),
        a(world.scheduler, [this](std::string m) { at_a.push_back(std::move(m)); }),
        b(world.scheduler, [this](std::string m) { at_b.push_back(std::move(m)); }),
        world_(world) {}

  void connect() {
    const auto there = std::make_shared<Pipe>(world_.scheduler);
    const auto back = std::make_shared<Pipe>(world_.scheduler);
    BOOST_TEST(a.attach(std::make_unique<PipeEnd>(back, there), b.received()));
    BOOST_TEST(b.attach(std::make_unique<PipeEnd>(there, back), a.received()));
    scope.spawn(pump(&a));
    scope.spawn(pump(&b));
  }
  // Ends the connection; what was not delivered is lost.
  void cut() {
    a.detach();
    b.detach();
    world_.scheduler.run();
  }

  static Task<void> pump(Channel* channel) {
    const Result<void> ended = co_await channel->pump();
    BOOST_TEST(failed_with(ended, Errc::disconnected));
  }

  TaskScope scope;
  std::vector<std::string> at_a, at_b;
  Channel a, b;

 private:
  testing::World& world_;
};

BOOST_AUTO_TEST_SUITE(channel)

BOOST_AUTO_TEST_CASE(what_a_broken_connection_lost_is_sent_again_once) {
  testing::World world;
  Ends ends(world);
  ends.connect();
  ends.a.send("one");
  world.scheduler.run();
  ends.a.send("two");  // on its way when the connection breaks
  ends.cut();
  ends.a.send("three");  // while there is none
  ends.connect();
  world.scheduler.run();
  BOOST_TEST(ends.at_b == (std::vector<std::string>{"one", "two", "three"}));
  ends.cut();
  BOOST_TEST(ends.scope.running() == 0);
}

BOOST_AUTO_TEST_CASE(a_confirmed_message_is_forgotten) {
  testing::World world;
  Ends ends(world);
  ends.connect();
  ends.a.send("question");
  world.scheduler.run();
  BOOST_TEST(ends.a.unacknowledged() == 1);
  ends.b.acknowledge();
  world.scheduler.run();
  BOOST_TEST(ends.a.unacknowledged() == 0);
  ends.cut();
}

BOOST_AUTO_TEST_CASE(a_peer_that_counts_messages_that_were_never_sent_is_not_of_this_session) {
  testing::World world;
  Ends ends(world);
  const auto pipe = std::make_shared<Pipe>(world.scheduler);
  BOOST_TEST(!ends.a.attach(std::make_unique<PipeEnd>(pipe, pipe), 1));
}

// However often and whenever the connection breaks, each end gets what the other sent: all of
// it, once, in order.
RC_BOOST_PROP(messages_arrive_in_order_exactly_once, ()) {
  testing::World world;
  Ends ends(world);
  std::vector<std::string> from_a, from_b;
  ends.connect();
  const auto steps = *rc::gen::inRange(1, 60);
  for (int i = 0; i < steps; ++i) {
    const int what = *rc::gen::inRange(0, 5);
    if (what <= 1) ends.a.send(from_a.emplace_back("a" + std::to_string(i)));
    if (what == 2) ends.b.send(from_b.emplace_back("b" + std::to_string(i)));
    if (what == 3) world.scheduler.run(*rc::gen::inRange<std::uint64_t>(1, 4));
    if (what == 4) {
      ends.cut();
      ends.connect();
    }
  }
  world.scheduler.run();
  RC_ASSERT(ends.at_b == from_a);
  RC_ASSERT(ends.at_a == from_b);
  ends.cut();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::session
