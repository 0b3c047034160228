#include "sim/shrink/edits_codec.hpp"

#include <nlohmann/json.hpp>

#include "sim/build_id.hpp"
#include "sim/plan.hpp"
#include "sim/workload.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

using nlohmann::json;

// A seed whose plan has faults and troubles.
RunConfig run_with_faults() {
  RunConfig run;
  for (run.seed = 1;; ++run.seed) {
    const Plan plan = make_plan(run);
    if (plan.faults.size() > 1 && !plan.troubles.empty() && plan.workers > 1) return run;
  }
}

// All that a file can say.
EditsFile sample() {
  EditsFile file;
  file.build = build_id();
  file.run = run_with_faults();
  file.oracle = "answer";
  file.edits.nodes = {0, 2};
  file.edits.faults = {{.number = 1, .at = {.ns = 5'000'000'000, .steps = 3}}};
  file.edits.troubles = {{.number = 0, .at = {.ns = 7, .steps = 0}}};
  file.edits.calm_network_from = 0;
  file.edits.calm_disk_from = 17;
  file.edits.disk_errors = false;
  DecidedOperation create;
  create.ordinal = 4;
  create.worker = 1;
  create.at_ns = 123'456'789'012;
  create.think_ns = 5;
  create.found = Ino{4097};
  create.closes = 3;
  create.op.kind = OpKind::create_open;
  create.op.ino = kRootIno;
  create.op.name = "a";
  create.op.mode = 0100644;
  create.op.uid = create.op.gid = 1000;
  DecidedOperation set;
  set.node = 2;
  set.op.kind = OpKind::set_xattr;
  set.op.ino = Ino{4097};
  set.op.name = "user.a";
  set.op.data = stamped_data(20, 0xfedc'ba98'7654'3210);
  set.op.how = fs::SetXattr::replace_only;
  set.op.keep_size = set.op.publish = true;
  DecidedOperation rename;
  rename.node = 2;
  rename.ordinal = 1;
  rename.op.kind = OpKind::rename;
  rename.op.ino = rename.op.other = kRootIno;
  rename.op.name = "a";
  rename.op.name2 = std::string(257, 'n');
  rename.op.rename_flags = fs::RenameFlags::no_replace;
  rename.op.offset = 4096;
  rename.op.length = 9;
  rename.op.seek = fs::Seek::hole;
  file.edits.operations = {create, set, rename};
  return file;
}

json sample_json() {
  return json::parse(encode(sample()));
}

std::string error_of(const json& document) {
  const auto file = decode_edits(document.dump());
  return file.has_value() ? "" : file.error();
}

BOOST_AUTO_TEST_CASE(a_file_says_what_was_written) {
  const EditsFile wrote = sample();
  const auto read = decode_edits(encode(wrote));
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST(encode(*read) == encode(wrote));
  BOOST_TEST(read->run.seed == wrote.run.seed);
  BOOST_TEST(read->oracle == "answer");
  BOOST_TEST(read->edits.nodes == wrote.edits.nodes);
  BOOST_TEST(read->edits.calm_disk_from == 17U);
  BOOST_TEST(!read->edits.disk_errors);
  BOOST_REQUIRE(read->edits.operations.size() == 3U);
  const DecidedOperation& create = read->edits.operations[0];
  BOOST_TEST(create.at_ns == 123'456'789'012U);
  BOOST_TEST(create.found.value == 4097U);
  BOOST_TEST(create.closes.value() == 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_TEST(describe(read->edits.operations[i].op) ==
               describe(wrote.edits.operations[i].op));
    BOOST_TEST(read->edits.operations[i].op.data == wrote.edits.operations[i].op.data);
  }
  BOOST_TEST(read->edits.faults[0].at.ns == 5'000'000'000U);
}

BOOST_AUTO_TEST_CASE(data_of_every_size_is_told_by_its_stamp) {
  for (std::size_t size = 1; size < 40; ++size) {
    const std::string data = stamped_data(size, 0x8182'8384'8586'8788);
    BOOST_TEST(stamped_data(size, stamp_of(data)) == data);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_file_of_edits_is_refused) {
  for (const char* text : {"", "{", "[]", "null", "{}", "\xff\xfe", "{\"seed\": 1}"}) {
    const auto file = decode_edits(text);
    BOOST_REQUIRE(!file.has_value());
    BOOST_TEST(file.error() == "not a file of edits");
  }
  const std::string whole = encode(sample());
  for (std::size_t size = 0; size + 2 < whole.size(); size += 7) {
    BOOST_TEST(!decode_edits(whole.substr(0, size)).has_value());
  }
}

BOOST_AUTO_TEST_CASE(another_version_is_named) {
  json document = sample_json();
  document["version"] = 2;
  BOOST_TEST(error_of(document) == "edits of version 2; this build reads version 1");
}

BOOST_AUTO_TEST_CASE(members_that_are_missing_unknown_or_of_another_kind_are_named) {
  const json good = sample_json();
  for (const auto& [name, value] : good.items()) {
    // Without them there is no calm.
    if (name == "calm_network_from" || name == "calm_disk_from") continue;
    json document = good;
    document.erase(name);
    BOOST_TEST(!error_of(document).empty(), name);
    for (const json& other :
         {json("x"), json(-1), json(1.5), json(nullptr), json({{"a", 1}})}) {
      if (other.type() == value.type() && name != "version") continue;
      document[name] = other;
      BOOST_TEST(!error_of(document).empty(), name << " as " << other.dump());
    }
  }
  json document = good;
  document["colour"] = "red";
  BOOST_TEST(error_of(document) == "colour is unknown");
}

BOOST_AUTO_TEST_CASE(members_of_an_operation_are_checked) {
  const json good = sample_json();
  for (const char* name : {"node", "ordinal", "worker", "at_ns", "kind"}) {
    json document = good;
    document["operations"][0].erase(name);
    BOOST_TEST(error_of(document).starts_with("operations 0: "), error_of(document));
  }
  const std::pair<const char*, json> bad[] = {{"kind", "explode"},
                                              {"node", -1},
                                              {"how", "anyhow"},
                                              {"name", std::string(5000, 'n')},
                                              {"offset", 1ULL << 33},
                                              {"mode", 1ULL << 32},
                                              {"data", "abc"},
                                              {"data", {{"size", 1ULL << 30}, {"stamp", 1}}},
                                              {"data", {{"size", 3}}},
                                              {"hole", 1},
                                              {"speed", 3},
                                              {"at_ns", ~0ULL}};
  for (const auto& [name, value] : bad) {
    json document = good;
    document["operations"][1][name] = value;
    BOOST_TEST(error_of(document).starts_with("operations 1: "), name << error_of(document));
  }
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_the_seed_is_named) {
  const json good = sample_json();
  const auto error_with = [&good](const char* pointer, const json& value) {
    json document = good;
    document[json::json_pointer(pointer)] = value;
    return error_of(document);
  };
  BOOST_TEST(error_with("/nodes", json::array()) == "no node takes part");
  BOOST_TEST(error_with("/nodes", {2, 0}) == "the nodes are not in ascending order");
  BOOST_TEST(error_with("/nodes", {0, 2, 9}) == "there is no node 9");
  BOOST_TEST(error_with("/operations/0/node", 1) ==
             "operation 4 of node 1: the node takes no part");
  BOOST_TEST(error_with("/operations/0/worker", 99) ==
             "operation 4 of node 0: there is no worker 99");
  BOOST_TEST(error_with("/operations/2/ordinal", 0) ==
             "the operations are not in the order of nodes and ordinals");
  BOOST_TEST(error_with("/faults/0/number", 99) ==
             "faults 0: the seed has no fault 99 in this build");
  BOOST_TEST(error_with("/faults/0/kind", "sabotage")
                 .starts_with("faults 0: fault 1 of the seed is "));
  BOOST_TEST(error_with("/troubles/0/number", 99).starts_with("the troubles are not "));
}

BOOST_AUTO_TEST_CASE(a_misfit_says_that_another_build_wrote_the_file) {
  json document = sample_json();
  document["build"] = "0123";
  BOOST_TEST(error_of(document).empty());
  document["faults"][0]["number"] = 99;
  BOOST_TEST(error_of(document).ends_with("; the file is of another build"));
}

}  // namespace
}  // namespace scoutfs::sim
