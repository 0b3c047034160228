#include "sim/explain/recorder.hpp"

#include <nlohmann/json.hpp>

#include "engine/base/codec.hpp"
#include "engine/session/messages.hpp"
#include "sim/explain/explain.hpp"
#include "sim/explain/page.hpp"
#include "sim/message_kinds.hpp"
#include "sim/operation.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

using namespace session;

constexpr lock::LockId kGroup{.kind = lock::LockId::Kind::group, .group = 5};

// As a channel frames it.
std::string framed(std::string_view message) {
  std::string frame;
  Writer out(frame);
  out.put(std::uint64_t{1});
  out.put(std::uint64_t{0});
  out.put_raw(message);
  return frame;
}

class Sender {
 public:
  explicit Sender(Recorder& recorder) : recorder_(recorder) {}
  // Its number.
  std::uint64_t send(TimeNs now_ns, const LeaderMessage& message) {
    return send(now_ns, false, framed(encode(message)));
  }
  std::uint64_t send(TimeNs now_ns, const MemberMessage& message) {
    return send(now_ns, true, framed(encode(message)));
  }

 private:
  // The leader is node 0, the member node 1.
  std::uint64_t send(TimeNs now_ns, bool from_member, const std::string& frame) {
    recorder_.sent(now_ns, {.number = ++number_,
                            .from = from_member ? 1U : 0U,
                            .to = from_member ? 0U : 1U,
                            .kind = message_kind(frame, from_member, false),
                            .from_member = from_member,
                            .frame = frame});
    return number_;
  }
  Recorder& recorder_;
  std::uint64_t number_ = 0;
};

LeaderMessage grant_of(lock::Mode mode, std::uint64_t grant) {
  LockGrant body;
  body.id = kGroup;
  body.mode = mode;
  body.grant = GrantId{grant};
  return {RequestId{1}, Answer{body}};
}

MemberMessage release_of(lock::Mode keep, std::uint64_t grant) {
  Release body;
  body.id = kGroup;
  body.grant = GrantId{grant};
  body.keep = keep;
  return {RequestId{}, MemberNotice{body}};
}

BOOST_AUTO_TEST_CASE(a_lock_is_held_from_the_grants_arrival_to_the_releases_departure) {
  Recorder recorder;
  Sender sender(recorder);
  const std::uint64_t grant = sender.send(10, grant_of(lock::Mode::write, 7));
  BOOST_TEST(recorder.recording().holds.empty());
  recorder.arrived(20, grant);
  sender.send(50, release_of(lock::Mode::read, 7));
  sender.send(70, release_of(lock::Mode::none, 7));
  const std::vector<Recording::Hold>& holds = recorder.recording().holds;
  BOOST_REQUIRE(holds.size() == 2U);
  BOOST_TEST(holds[0].node == 1U);
  BOOST_TEST(holds[0].lock == "group 5");
  BOOST_TEST(holds[0].mode == "write");
  BOOST_TEST(holds[0].begins_ns == 20U);
  BOOST_TEST(holds[0].ends_ns.value_or(0) == 50U);
  BOOST_TEST(holds[1].mode == "read");
  BOOST_TEST(holds[1].ends_ns.value_or(0) == 70U);
  const std::vector<Recording::Message>& messages = recorder.recording().messages;
  BOOST_TEST(messages[0].kind == "lock-grant");
  BOOST_TEST(messages[0].text == "group 5 write, grant 7");
  BOOST_TEST(messages[0].arrived_ns.value_or(0) == 20U);
  BOOST_TEST(!messages[1].arrived_ns.has_value());
}

BOOST_AUTO_TEST_CASE(what_a_life_held_ends_with_it) {
  Recorder recorder;
  Sender sender(recorder);
  recorder.life_begins(1, 1, 42);
  recorder.life_serves(5, 1);
  recorder.arrived(20, sender.send(10, grant_of(lock::Mode::write, 7)));
  recorder.life_ends(30, 1, "dies");
  BOOST_TEST(recorder.recording().holds[0].ends_ns.value_or(0) == 30U);
  const Recording::Life& life = recorder.recording().lives[0];
  BOOST_TEST(life.number == 42U);
  BOOST_TEST(life.serves_ns.value_or(0) == 5U);
  BOOST_TEST(life.how == "dies");
}

BOOST_AUTO_TEST_CASE(an_operation_has_its_call_its_effect_and_its_answer) {
  Recorder recorder;
  Operation op;
  op.kind = OpKind::rename;
  op.ino = Ino{10};
  op.other = Ino{11};
  recorder.called(1, 9, 2, 3, op);
  recorder.took_effect(4, 9, TxnNo{6});
  Outcome outcome;
  outcome.error = Errc::exists;
  recorder.answered(8, 9, outcome);
  const Recording::Operation& recorded = recorder.recording().operations[0];
  BOOST_TEST(recorded.kind == "rename");
  BOOST_TEST(recorded.inodes == (std::vector<std::uint64_t>{10, 11}));
  BOOST_TEST(recorded.txn == 6U);
  BOOST_TEST(recorded.effect_ns.value_or(0) == 4U);
  BOOST_TEST(recorded.answered_ns.value_or(0) == 8U);
  BOOST_TEST(recorded.result == "exists");
}

BOOST_AUTO_TEST_CASE(leadership_changes_when_another_leads_or_nobody) {
  Recorder recorder;
  recorder.leads(1, std::nullopt);
  recorder.leads(2, 0);
  recorder.leads(3, 0);
  recorder.leads(4, 1);
  recorder.leads(5, std::nullopt);
  const std::vector<Recording::Leadership>& all = recorder.recording().leaderships;
  BOOST_REQUIRE(all.size() == 2U);
  BOOST_TEST(all[0].begins_ns == 2U);
  BOOST_TEST(all[0].ends_ns.value_or(0) == 4U);
  BOOST_TEST(all[1].ends_ns.value_or(0) == 5U);
}

BOOST_AUTO_TEST_CASE(a_write_of_the_dead_that_lands_is_late) {
  Recorder recorder;
  recorder.write_begun(1, {.number = 3, .node = 0, .first = BlockNo{70}, .blocks = 2});
  recorder.write_landed_late(9, 3);
  recorder.write_begun(2, {.number = 4, .node = 0, .first = BlockNo{80}, .blocks = 1});
  recorder.write_ended(5, 4, false);
  const std::vector<Recording::Write>& writes = recorder.recording().writes;
  BOOST_TEST(writes[0].late_ns.value_or(0) == 9U);
  BOOST_TEST(!writes[0].ends_ns.has_value());
  BOOST_TEST(writes[1].failed);
}

BOOST_AUTO_TEST_CASE(looking_changes_nothing_of_a_run) {
  RunConfig config;
  config.seed = 3;
  const Verdict unseen = run_seed(config);
  Verdict seen;
  std::string page;
  explain(config, [&](const Verdict& verdict, const std::string& text) {
    seen = verdict;
    page = text;
  });
  BOOST_TEST(to_string(seen.hash) == to_string(unseen.hash));
  BOOST_TEST(seen.events == unseen.events);
  BOOST_TEST(page.find(to_string(seen.hash)) != std::string::npos);
}

// The rows of the page.
nlohmann::json data_of(const std::string& page) {
  const std::string_view mark = "id=\"data\">";
  const std::size_t begin = page.find(mark) + mark.size();
  return nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

BOOST_AUTO_TEST_CASE(nothing_in_the_data_ends_the_page_early) {
  Verdict verdict;
  verdict.oracle = "answer";
  verdict.what = "</script><b>\xff";
  const std::string page = page_of({}, verdict, {});
  BOOST_TEST(page.find("</script><b>") == std::string::npos);
  BOOST_TEST(data_of(page)["what"].get<std::string>().starts_with("</script><b>"));
}

BOOST_AUTO_TEST_CASE(a_long_run_loses_its_beginning_not_its_end) {
  Recording recording;
  constexpr unsigned kMessages = 400'000;
  for (unsigned i = 0; i < kMessages; ++i) {
    recording.messages.push_back({.from = 0,
                                  .to = 1,
                                  .kind = "commit",
                                  .text = "transaction",
                                  .sent_ns = i * kMillisecond,
                                  .arrived_ns = i * kMillisecond + 1});
  }
  recording.faults.push_back(
      {.at_ns = 1, .lasts_ns = 1, .kind = "pause", .node = 0, .other = {}});
  Verdict verdict;
  verdict.virtual_ns = kMessages * kMillisecond;
  const std::string page = page_of({}, verdict, recording);
  BOOST_TEST(page.size() <= kPageMax);
  const nlohmann::json data = data_of(page);
  BOOST_TEST(data["from"].get<std::uint64_t>() > 0U);
  BOOST_TEST(data["messages"].size() > 20'000U);
  BOOST_TEST(data["messages"].back()[3].get<std::uint64_t>() == (kMessages - 1) * 1000ULL);
  // What is rare stays.
  BOOST_TEST(data["faults"].size() == 1U);
}

}  // namespace
}  // namespace scoutfs::sim
