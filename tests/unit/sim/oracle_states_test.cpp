#include "sim/oracle_states.hpp"

#include "sim/verdict_codec.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

Verdict failed_verdict() {
  Verdict verdict;
  verdict.seed = 3;
  verdict.oracle = "check";
  verdict.what = "a block is lost";
  verdict.nodes = 4;
  verdict.oracles = {{"answer", 10}, {"check", 2}, {"eio", 0}};
  verdict.faults = {{"pause", 2}};
  verdict.noticed = {{"pause", 1}};
  verdict.errors = {{"exists", 5}};
  verdict.protocol = {{"revoke", 6}};
  return verdict;
}

BOOST_AUTO_TEST_CASE(each_oracle_ran_did_not_apply_or_failed) {
  const std::map<std::string, OracleState> states = oracle_states(failed_verdict());
  BOOST_TEST((states.at("answer") == OracleState::ran));
  BOOST_TEST((states.at("check") == OracleState::failed));
  BOOST_TEST((states.at("eio") == OracleState::not_applicable));
  BOOST_TEST(describe_coverage(failed_verdict()) ==
             "  oracles that are not applicable: eio\n"
             "  oracles that ran: answer 10\n"
             "  oracles that failed: check 2\n"
             "  faults, noticed of injected: pause 1/2\n");
}

BOOST_AUTO_TEST_CASE(a_process_that_broke_is_listed_as_an_oracle_that_failed) {
  Verdict verdict;
  verdict.oracle = "assertion";
  BOOST_TEST((oracle_states(verdict).at("assertion") == OracleState::failed));
}

BOOST_AUTO_TEST_CASE(a_verdict_survives_its_encoding) {
  const Verdict verdict = failed_verdict();
  const Result<Verdict> decoded = decode_verdict(encode(verdict));
  BOOST_REQUIRE(decoded.has_value());
  BOOST_TEST(encode(*decoded) == encode(verdict));
  BOOST_TEST(decoded->noticed.at("pause") == 1U);
  BOOST_TEST(decoded->nodes == 4U);
  BOOST_TEST(!decode_verdict(encode(verdict) + "x").has_value());
}

}  // namespace
}  // namespace scoutfs::sim
