#include "sim/fault_ledger.hpp"

#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

constexpr Symptom kDeath{Symptom::Kind::death_known, 7, 0};

BOOST_AUTO_TEST_CASE(a_fault_is_noticed_once_by_any_of_its_symptoms) {
  EventQueue events;
  FaultLedger ledger(events);
  ledger.injected("kill-one", {kDeath, Symptom::connection(2, 1)});
  BOOST_TEST(ledger.noticed().at("kill-one") == 0U);
  ledger.seen(Symptom::connection(1, 2));
  ledger.seen(kDeath);
  BOOST_TEST(ledger.injected().at("kill-one") == 1U);
  BOOST_TEST(ledger.noticed().at("kill-one") == 1U);
}

BOOST_AUTO_TEST_CASE(symptoms_of_other_lives_and_nodes_say_nothing) {
  EventQueue events;
  FaultLedger ledger(events);
  ledger.injected("kill-one", {kDeath});
  ledger.injected("disconnect", {Symptom::connection(0, 1)});
  ledger.seen({Symptom::Kind::death_known, 8, 0});
  ledger.seen({Symptom::Kind::fenced, 7, 0});
  ledger.seen(Symptom::connection(0, 2));
  BOOST_TEST(ledger.noticed().at("kill-one") == 0U);
  BOOST_TEST(ledger.noticed().at("disconnect") == 0U);
}

BOOST_AUTO_TEST_CASE(what_happens_after_its_time_does_not_come_from_a_fault) {
  EventQueue events;
  FaultLedger ledger(events);
  ledger.injected("pause", {kDeath}, 10);
  events.advance(11);
  ledger.seen(kDeath);
  BOOST_TEST(ledger.noticed().at("pause") == 0U);
}

BOOST_AUTO_TEST_CASE(one_symptom_may_come_from_several_faults) {
  EventQueue events;
  FaultLedger ledger(events);
  ledger.injected("pause", {kDeath});
  ledger.injected("isolate", {kDeath});
  ledger.seen(kDeath);
  BOOST_TEST(ledger.noticed().at("pause") == 1U);
  BOOST_TEST(ledger.noticed().at("isolate") == 1U);
}

}  // namespace
}  // namespace scoutfs::sim
