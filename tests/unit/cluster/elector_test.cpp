#include "engine/cluster/elector.hpp"

#include "tests/test.hpp"
#include "tests/unit/cluster/voters.hpp"

namespace scoutfs::testing {
namespace {

void start_all(Voters& voters) {
  for (unsigned node = 0; node < voters.options.nodes; ++node) voters.start(node);
}

void block_all(Voters& voters, unsigned node, bool blocked) {
  for (unsigned other = 0; other < voters.options.nodes; ++other) {
    if (other == node) continue;
    for (const auto& [from, to] : {std::pair{node, other}, std::pair{other, node}}) {
      if (blocked) voters.network.block(from, to);
      if (!blocked) voters.network.unblock(from, to);
    }
  }
}

Task<void> confirm(Voter* voter, Term term, bool* holds) {
  const Result<void> confirmed = co_await voter->elector().confirm(term);
  *holds = confirmed.has_value();
}

bool confirmed(Voters& voters, unsigned node, Term term) {
  bool holds = false;
  voters.voter(node)->spawn(confirm(voters.voter(node), term, &holds));
  voters.run_for(kSecond);
  return holds;
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_of_any_number_of_voters_comes_to_lead) {
  for (const unsigned nodes : {1U, 2U, 3U, 5U, 7U}) {
    for (const bool configured : {true, false}) {
      Voters voters({.nodes = nodes, .seed = nodes, .configured = configured});
      start_all(voters);
      BOOST_TEST(voters.until_led() < 5 * kSecond);
      voters.run_for(5 * kSecond);
      BOOST_TEST(voters.leader().has_value());
      BOOST_TEST(voters.wrong.empty());
      // Nobody is deposed while all is well.
      BOOST_TEST(voters.terms.size() == 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_lone_voter_leads_at_once) {
  Voters voters({.nodes = 1});
  start_all(voters);
  BOOST_TEST(voters.until_led() < 500 * kMillisecond);
}

BOOST_AUTO_TEST_CASE(a_killed_leader_is_followed_by_another_within_two_leases) {
  Voters voters({.nodes = 3});
  start_all(voters);
  voters.until_led();
  voters.run_for(2 * kSecond);
  const unsigned first = *voters.leader();
  voters.kill(first);
  BOOST_TEST(voters.until_led() < kSecond);
  BOOST_TEST((*voters.leader() != first));
  BOOST_TEST(voters.wrong.empty());
}

BOOST_AUTO_TEST_CASE(who_resigns_is_followed_at_once) {
  Voters voters({.nodes = 3});
  start_all(voters);
  voters.until_led();
  voters.run_for(2 * kSecond);
  const unsigned first = *voters.leader();
  voters.lives[first]->leave();
  while (voters.lives[first] != nullptr) voters.run_for(kMillisecond);
  BOOST_TEST(voters.until_led() < 100 * kMillisecond);
  BOOST_TEST((voters.block_of(first).stop == voters.block_of(first).elect));
  BOOST_TEST(voters.block_of(first).ended);
  BOOST_TEST(voters.table.fenced.empty());
}

BOOST_AUTO_TEST_CASE(a_leader_that_reaches_nobody_steps_down_and_another_leads) {
  Voters voters({.nodes = 3});
  start_all(voters);
  voters.until_led();
  voters.run_for(2 * kSecond);
  const unsigned first = *voters.leader();
  block_all(voters, first, true);
  voters.run_for(3 * kSecond);
  BOOST_TEST(!voters.lives[first]->serves());
  BOOST_REQUIRE(voters.leader().has_value());
  BOOST_TEST((*voters.leader() != first));
  const Term second = voters.lives[*voters.leader()]->term();
  block_all(voters, first, false);
  voters.run_for(3 * kSecond);
  // It comes back as a follower, and disturbs nobody.
  BOOST_TEST((voters.lives[*voters.leader()]->term() == second));
  BOOST_TEST((voters.lives[first]->elector().leader()->term == second));
  BOOST_TEST(voters.wrong.empty());
}

BOOST_AUTO_TEST_CASE(a_voter_that_hears_nobody_does_not_raise_the_term) {
  Voters voters({.nodes = 3});
  start_all(voters);
  voters.until_led();
  voters.run_for(2 * kSecond);
  const unsigned leader = *voters.leader();
  const Term term = voters.lives[leader]->term();
  block_all(voters, (leader + 1) % 3, true);
  voters.run_for(10 * kSecond);
  block_all(voters, (leader + 1) % 3, false);
  voters.run_for(2 * kSecond);
  BOOST_TEST((voters.lives[leader]->term() == term));
}

BOOST_AUTO_TEST_CASE(a_leader_that_slept_longer_than_its_lease_wakes_deposed_and_fenced) {
  Voters voters({.nodes = 3});
  start_all(voters);
  voters.until_led();
  voters.run_for(2 * kSecond);
  const unsigned first = *voters.leader();
  voters.lives[first]->actor().pause_until(voters.world.now_ns() + 4 * kSecond);
  voters.run_for(3 * kSecond);
  BOOST_REQUIRE(voters.leader().has_value());
  BOOST_TEST((*voters.leader() != first));
  BOOST_TEST(voters.table.fenced.size() == 1);
  voters.run_for(3 * kSecond);
  BOOST_TEST(!voters.lives[first]->serves());
  BOOST_TEST(voters.wrong.empty());
}

BOOST_AUTO_TEST_CASE(without_fencing_a_lost_leader_is_waited_for_until_it_is_known_to_be_dead) {
  Voters voters({.nodes = 3, .level = FenceLevel::host});
  start_all(voters);
  voters.until_led();
  voters.run_for(2 * kSecond);
  const unsigned first = *voters.leader();
  voters.lives[first]->actor().pause_until(voters.world.now_ns() + 60 * kSecond);
  voters.run_for(10 * kSecond);
  const unsigned other = (first + 1) % 3;
  BOOST_TEST(!voters.lives[other]->serves());
  BOOST_TEST(voters.lives[other]->elector().waits_for().contains(fmt::format("node{}", first)));
  voters.kill(first);
  BOOST_TEST(voters.until_led() < 3 * kSecond);
  BOOST_TEST(voters.wrong.empty());
}

BOOST_AUTO_TEST_CASE(one_host_brings_a_volume_up_after_all_were_killed) {
  Voters voters({.nodes = 5, .level = FenceLevel::host});
  start_all(voters);
  voters.until_led();
  voters.run_for(2 * kSecond);
  for (unsigned node = 0; node < 5; ++node) voters.kill(node);
  voters.run_for(kSecond);
  voters.start(3);
  BOOST_TEST(voters.until_led() < 5 * kSecond);
  BOOST_TEST(voters.wrong.empty());
}

BOOST_AUTO_TEST_CASE(of_two_voters_one_suffices_but_not_against_a_leader_whose_block_advances) {
  Voters voters({.nodes = 2});
  start_all(voters);
  voters.until_led();
  voters.run_for(2 * kSecond);
  const unsigned first = *voters.leader();
  block_all(voters, first, true);
  voters.run_for(10 * kSecond);
  BOOST_TEST((*voters.leader() == first));
  voters.kill(first);
  BOOST_TEST(voters.until_led() < 3 * kSecond);
  BOOST_TEST(voters.wrong.empty());
}

BOOST_AUTO_TEST_CASE(a_server_whose_end_is_in_doubt_is_fenced_by_whoever_leads_next) {
  for (const unsigned nodes : {1U, 3U}) {
    Voters voters({.nodes = nodes});
    start_all(voters);
    voters.until_led();
    const unsigned first = *voters.leader();
    Voter& voter = *voters.voter(first);
    const Incarnation server =
        format::leader_incarnation(voter.keeper().block().who, voter.term());
    voter.set_doubtful();
    voter.elector().give_up("its disk is lost");
    voters.run_for(30 * kMillisecond);
    BOOST_TEST(voters.block_of(first).leads());
    BOOST_TEST(voters.until_led() < 5 * kSecond);
    BOOST_TEST(voters.terms.size() == 2);
    BOOST_TEST(voters.table.fenced.contains(server));
    BOOST_TEST(voters.wrong.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_leader_is_confirmed_until_a_newer_one_was_elected) {
  Voters voters({.nodes = 2});
  start_all(voters);
  voters.until_led();
  voters.run_for(2 * kSecond);
  const unsigned first = *voters.leader();
  const Term term = voters.voter(first)->term();
  BOOST_TEST(confirmed(voters, first, term));
  voters.voter(first)->elector().give_up("for the test");
  voters.voter(first)->actor().pause_until(voters.world.now_ns() + 20 * kSecond);
  voters.run_for(10 * kSecond);
  BOOST_TEST(voters.leader().has_value());
  voters.run_for(15 * kSecond);
  BOOST_TEST(!confirmed(voters, first, term));
}

BOOST_AUTO_TEST_CASE(who_stands_still_where_it_got_to_holds_nobody_up_when_it_wakes) {
  for (const Milestone where :
       {Milestone::voted, Milestone::elected, Milestone::leaders_fenced, Milestone::stopped}) {
    for (const FenceLevel level : {FenceLevel::host, FenceLevel::storage}) {
      Voters voters({.nodes = 3, .level = level});
      bool still = false;
      voters.on_milestone = [&](unsigned node, Milestone milestone) {
        if (still || milestone != where) return;
        still = true;
        voters.voter(node)->actor().pause_until(voters.world.now_ns() + 5 * kSecond);
      };
      start_all(voters);
      voters.run_for(2 * kSecond);
      if (const auto leader = voters.leader(); leader.has_value()) {
        voters.voter(*leader)->elector().give_up("for the test");
      }
      voters.run_for(8 * kSecond);
      BOOST_TEST(still);
      BOOST_TEST(voters.until_led() < 5 * kSecond);
      for (const std::string& what : voters.wrong) BOOST_ERROR(what);
    }
  }
}

// One thing that goes wrong, or gets better.
void disturb(Voters& voters, sim::SimRandom& random) {
  const auto node = static_cast<unsigned>(random.below(voters.options.nodes));
  const auto other = static_cast<unsigned>(random.below(voters.options.nodes));
  Voter* const voter = voters.voter(node);
  const TimeNs now_ns = voters.world.now_ns();
  switch (random.below(8)) {
    case 0:
      if (voter != nullptr) voters.kill(node);
      break;
    case 1:
      if (voter != nullptr) voter->leave();
      break;
    case 2:
      if (voter == nullptr) break;
      voter->actor().pause_until(now_ns + random.log_between(kMillisecond, 4 * kSecond));
      break;
    case 3:
      if (node != other) voters.network.block(node, other);
      break;
    case 4:
      block_all(voters, node, true);
      break;
    case 5:
      voters.network.break_between(node, other);
      break;
    default:
      voters.network.unblock_all();
      break;
  }
}

// Returns in how many terms somebody came to lead.
std::size_t elect_under_faults(std::uint64_t seed) {
  sim::SimRandom random(seed, sim::Stream::test);
  VotersOptions options{.nodes = static_cast<unsigned>(random.between(1, 5)), .seed = seed};
  options.configured = random.chance(1, 2);
  if (random.chance(1, 4)) options.level = FenceLevel::host;
  options.network.refused_per_1000 = random.chance(1, 2) ? 50 : 0;
  options.disk.slow_per_1000 = random.chance(1, 2) ? 50 : 0;
  Voters voters(options);
  // Some die right where they got to.
  const std::uint64_t deadly = random.below(12);
  std::optional<unsigned> doomed;
  voters.on_milestone = [&](unsigned node, Milestone) {
    if (deadly != 0 && voters.milestones % (5 + deadly) == 0) doomed = node;
  };
  start_all(voters);
  for (int round = 0; round < 40; ++round) {
    disturb(voters, random);
    const TimeNs until = voters.world.now_ns() + random.log_between(kMillisecond, 2 * kSecond);
    while (voters.world.now_ns() < until) {
      voters.run_for(kMillisecond);
      if (doomed.has_value() && voters.voter(*doomed) != nullptr) voters.kill(*doomed);
      doomed.reset();
    }
    for (unsigned node = 0; node < options.nodes; ++node) {
      if (voters.voter(node) == nullptr && random.chance(1, 3)) voters.start(node);
    }
  }
  voters.network.unblock_all();
  voters.on_milestone = nullptr;
  voters.run_for(6 * kSecond);  // who stands still wakes up, who was leaving has left
  for (unsigned node = 0; node < options.nodes; ++node) {
    if (voters.voter(node) == nullptr) voters.start(node);
  }
  const TimeNs took = voters.until_led();
  BOOST_TEST_CONTEXT("seed " << seed) {
    for (const std::string& what : voters.wrong) BOOST_ERROR(what);
    BOOST_TEST(took < 6 * kSecond);
  }
  return voters.terms.size();
}

// Whatever happens, one leader that the storage lets write, each term once and rising, every
// vote in its block; and when the faults end, one leads.
BOOST_AUTO_TEST_CASE(under_faults_there_is_one_leader_and_afterwards_there_is_one) {
  std::size_t terms = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) terms += elect_under_faults(seed);
  BOOST_TEST(terms > 500);
}

}  // namespace scoutfs::testing
