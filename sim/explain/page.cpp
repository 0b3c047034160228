#include "sim/explain/page.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "engine/format/volume.hpp"
#include "sim/build_id.hpp"
#include "sim/explain/page_files.hpp"
#include "sim/oracle_states.hpp"

namespace scoutfs::sim {

namespace {

using Json = nlohmann::json;

std::uint64_t micros(TimeNs time_ns) {
  return time_ns / kMicrosecond;
}
Json micros(const Recording::End& end) {
  return end.has_value() ? Json(micros(*end)) : Json();
}
Json number(const std::optional<unsigned>& node) {
  return node.has_value() ? Json(*node) : Json();
}

// Words that come again and again, by number.
class Words {
 public:
  std::size_t number(const std::string& word) {
    const auto [found, fresh] = numbers_.try_emplace(word, words_.size());
    if (fresh) words_.push_back(word);
    return found->second;
  }
  const std::vector<std::string>& all() const { return words_; }

 private:
  std::map<std::string, std::size_t> numbers_;
  std::vector<std::string> words_;
};

// The rows of each list are arrays; page/model.js names their columns. Of what comes in great
// numbers only what is not over at `from_ns`.
Json rows_of(const Recording& recording, TimeNs from_ns) {
  Words words;
  Json json = {{"lives", Json::array()},    {"leaders", Json::array()},
               {"faults", Json::array()},   {"ops", Json::array()},
               {"messages", Json::array()}, {"locks", Json::array()},
               {"writes", Json::array()},   {"lines", Json::array()}};
  for (const Recording::Life& life : recording.lives) {
    json["lives"].push_back({life.node, life.number, micros(life.begins_ns),
                             micros(life.serves_ns), micros(life.ends_ns), life.how});
  }
  for (const Recording::Leadership& leader : recording.leaderships) {
    json["leaders"].push_back({leader.node, micros(leader.begins_ns), micros(leader.ends_ns)});
  }
  for (const Recording::Fault& fault : recording.faults) {
    json["faults"].push_back({micros(fault.at_ns), micros(fault.lasts_ns), fault.kind,
                              number(fault.node), number(fault.other)});
  }
  for (const Recording::Operation& op : recording.operations) {
    if (op.answered_ns.value_or(kForever) < from_ns) continue;
    json["ops"].push_back({op.node, op.life, words.number(op.kind), micros(op.called_ns),
                           micros(op.effect_ns), micros(op.answered_ns), op.text,
                           words.number(op.result), op.inodes, op.txn});
  }
  for (const Recording::Message& message : recording.messages) {
    if (message.sent_ns < from_ns) continue;
    json["messages"].push_back({message.from, message.to, words.number(message.kind),
                                micros(message.sent_ns), micros(message.arrived_ns),
                                words.number(message.text)});
  }
  for (const Recording::Hold& hold : recording.holds) {
    if (hold.ends_ns.value_or(kForever) < from_ns) continue;
    json["locks"].push_back({hold.node, words.number(hold.lock), words.number(hold.mode),
                             micros(hold.begins_ns), micros(hold.ends_ns), hold.grant});
  }
  for (const Recording::Write& write : recording.writes) {
    if (write.begins_ns < from_ns) continue;
    json["writes"].push_back({write.node, write.first, write.blocks, micros(write.begins_ns),
                              micros(write.ends_ns), write.failed, write.durable,
                              micros(write.late_ns)});
  }
  for (const Recording::Line& line : recording.lines) {
    if (line.at_ns < from_ns) continue;
    json["lines"].push_back({micros(line.at_ns), number(line.node), words.number(line.text)});
  }
  json["words"] = words.all();
  json["from"] = micros(from_ns);
  return json;
}

Json summary_of(const RunConfig& config, const Verdict& verdict) {
  Json json = {{"seed", verdict.seed},
               {"command", replay_command(config) + " --verbose"},
               {"build", build_id()},
               {"passed", verdict.passed},
               {"oracle", verdict.oracle},
               {"what", verdict.what},
               {"hash", to_string(verdict.hash)},
               {"end", micros(verdict.virtual_ns)},
               {"nodes", verdict.nodes},
               {"operations", verdict.operations},
               {"deaths", verdict.deaths},
               {"quorum", {format::kQuorumFirst, 2 * format::kSlotsMax}},
               {"oracles", Json::array()},
               {"injected", Json::object()},
               {"noticed", Json::object()}};
  for (const auto& [oracle, state] : oracle_states(verdict)) {
    const auto looked = verdict.oracles.find(oracle);
    json["oracles"].push_back(
        {oracle, to_string(state), looked == verdict.oracles.end() ? 0 : looked->second});
  }
  for (const auto& [kind, count] : verdict.faults) json["injected"][kind] = count;
  for (const auto& [kind, count] : verdict.noticed) json["noticed"][kind] = count;
  return json;
}

std::string replaced(std::string text, std::string_view mark, std::string_view by) {
  const std::size_t at = text.find(mark);
  SCOUTFS_ASSERT(at != std::string::npos);
  return text.replace(at, mark.size(), by);
}

// Inside a script element nothing may look like its end.
std::string as_script_data(const Json& json) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (std::size_t at = 0; (at = text.find('<', at)) != std::string::npos;) {
    text.replace(at, 1, "\\u003c");
  }
  return text;
}

std::string with_data(const RunConfig& config, const Verdict& verdict,
                      const Recording& recording, TimeNs from_ns) {
  Json json = summary_of(config, verdict);
  json.update(rows_of(recording, from_ns));
  std::string page(page_files::index_html);
  page = replaced(std::move(page), "/*STYLE*/", page_files::style_css);
  std::string script;
  for (const std::string_view part : {page_files::model_js, page_files::story_js,
                                      page_files::diagram_js, page_files::app_js}) {
    script += part;
  }
  page = replaced(std::move(page), "/*SCRIPT*/", script);
  return replaced(std::move(page), "/*DATA*/", as_script_data(json));
}

}  // namespace

std::string page_of(const RunConfig& config, const Verdict& verdict,
                    const Recording& recording) {
  std::string page = with_data(config, verdict, recording, 0);
  TimeNs from_ns = 0;
  // What comes last explains a failure.
  constexpr int kHalvingsMax = 20;
  for (int i = 0; i < kHalvingsMax && page.size() > kPageMax; ++i) {
    from_ns += (verdict.virtual_ns - std::min(verdict.virtual_ns, from_ns)) / 2;
    page = with_data(config, verdict, recording, from_ns);
  }
  return page;
}

}  // namespace scoutfs::sim
