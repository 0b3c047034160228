// A mount's store and a leader that a test plays: what a farewell ends.
#include "engine/client/store_impl.hpp"

#include "engine/lsm/segment_cache.hpp"
#include "tests/support/scripted_leader.hpp"
#include "tests/test.hpp"

namespace scoutfs::client {
namespace {

using session::Farewell;
using session::JobResult;

struct StoreFixture : testing::MemberWorld {
  StoreFixture() {
    store.start();
    scheduler.run();
  }

  static StoreOptions options() {
    StoreOptions options;
    options.transactions = {.commit_interval_ns = kSecond,
                            .commit_bytes_max = 10'000,
                            .dirty_bytes_max = 100'000,
                            .grant_blocks = 64,
                            .segment_size_max = 1u << 20,
                            .fsid = Fsid{7}};
    options.item_cache_bytes = 1u << 20;
    options.locks_max = 16;
    options.lease_interval_ns = kSecond;
    options.answer_time_ns = kSecond;
    return options;
  }
  // A merge of one segment, which nothing is written at: whoever runs it says that it failed.
  void offer_job() {
    session::JobOffer offer;
    offer.job.id = JobId{1};
    offer.job.segment_size_max = 1u << 20;
    offer.job.output_level = 1;
    lsm::Placed input;
    input.info.ref = {{BlockNo{1000}, 8}, 9};
    input.info.coverage = {{"a", "b"}};
    input.info.item_count = 1;
    offer.job.inputs.push_back(std::move(input));
    offer.space = {{BlockNo{2000}, 8}};
    leader.notify(std::move(offer));
    pass(kMillisecond);
  }
  Task<void> stop_store() {
    const Result<void> stopped = co_await store.stop();
    stopped_well = stopped.has_value();
  }

  testing::ScriptedLeader leader{*this};
  lsm::SegmentCache segments{scheduler, device, Fsid{7}, 1u << 20};
  StoreImpl store{env(), testing::a_member(), leader, segments, options()};
  bool stopped_well = false;
};

BOOST_FIXTURE_TEST_SUITE(store_impl, StoreFixture)

BOOST_AUTO_TEST_CASE(a_compaction_that_arrives_after_the_farewell_is_not_run) {
  offer_job();
  // While it is a member it does what it is told to.
  BOOST_TEST(leader.requests<JobResult>().size() == 1U);
  leader.answer(leader.asked.back().id, session::Empty{});
  scheduler.run();
  TaskScope scope(scheduler);
  scope.spawn(stop_store());
  scheduler.run();
  BOOST_REQUIRE(leader.requests<Farewell>().size() == 1U);
  const RequestId farewell = leader.asked.back().id;
  const std::size_t asked = leader.asked.size();
  // The leader had sent it before it read the farewell, with which it gives the job's space to
  // others.
  offer_job();
  BOOST_TEST(leader.asked.size() == asked);
  leader.answer(farewell, session::Empty{});
  pass(kSecond);
  BOOST_TEST(stopped_well);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::client
