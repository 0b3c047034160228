#include "sim/explain/recorder.hpp"

#include "sim/message_kinds.hpp"
#include "sim/operation.hpp"
#include "sim/trace.hpp"

namespace scoutfs::sim {

namespace {

// Lines that say what is recorded as something better.
bool is_recorded_otherwise(std::string_view text) {
  for (const std::string_view beginning : {"calls ", "sends ", "writes ", "fault: "}) {
    if (text.starts_with(beginning)) return true;
  }
  return text.find(" takes effect in transaction ") != std::string_view::npos ||
         text.find(" answers ") != std::string_view::npos;
}

}  // namespace

void Recorder::line(TimeNs now_ns, unsigned node, std::string_view text) {
  newest_ns_ = now_ns;
  if (is_recorded_otherwise(text)) return;
  Recording::Line& line = recording_.lines.emplace_back();
  line.at_ns = now_ns;
  if (node != kWorld) line.node = node;
  line.text = text;
}

void Recorder::sent(TimeNs now_ns, const Message& message) {
  MessageContent content = content_of(message);
  messages_[message.number] = {.index = recording_.messages.size(), .granted = content.granted};
  recording_.messages.push_back({.from = message.from,
                                 .to = message.to,
                                 .kind = std::string(message_name(message.kind)),
                                 .text = std::move(content.text),
                                 .sent_ns = now_ns,
                                 .arrived_ns = {}});
  if (!content.released.has_value()) return;
  const std::string lock = to_string(content.released->id);
  end_holds(now_ns, message.from, &lock);
  begin_hold(now_ns, message.from, *content.released);
}

void Recorder::arrived(TimeNs now_ns, std::uint64_t number) {
  const auto found = messages_.find(number);
  if (found == messages_.end()) return;
  Recording::Message& message = recording_.messages[found->second.index];
  message.arrived_ns = now_ns;
  if (found->second.granted.has_value()) {
    const std::string lock = to_string(found->second.granted->id);
    end_holds(now_ns, message.to, &lock);
    begin_hold(now_ns, message.to, *found->second.granted);
  }
  messages_.erase(found);
}

void Recorder::begin_hold(TimeNs now_ns, unsigned node,
                          const MessageContent::LockChange& change) {
  if (change.mode == lock::Mode::none) return;
  recording_.holds.push_back({.node = node,
                              .lock = to_string(change.id),
                              .mode = std::string(to_string(change.mode)),
                              .grant = change.grant.value,
                              .begins_ns = now_ns,
                              .ends_ns = {}});
}

void Recorder::end_holds(TimeNs now_ns, unsigned node, const std::string* lock) {
  for (Recording::Hold& hold : recording_.holds) {
    if (hold.node != node || hold.ends_ns.has_value()) continue;
    if (lock == nullptr || hold.lock == *lock) hold.ends_ns = now_ns;
  }
}

void Recorder::write_begun(TimeNs now_ns, const Write& write) {
  writes_[write.number] = recording_.writes.size();
  Recording::Write& recorded = recording_.writes.emplace_back();
  recorded.node = write.node;
  recorded.first = write.first.value;
  recorded.blocks = write.blocks;
  recorded.durable = write.durable;
  recorded.begins_ns = now_ns;
}

void Recorder::write_ended(TimeNs now_ns, std::uint64_t number, bool well) {
  const auto found = writes_.find(number);
  if (found == writes_.end()) return;
  recording_.writes[found->second].ends_ns = now_ns;
  recording_.writes[found->second].failed = !well;
}

void Recorder::write_landed_late(TimeNs now_ns, std::uint64_t number) {
  const auto found = writes_.find(number);
  if (found != writes_.end()) recording_.writes[found->second].late_ns = now_ns;
}

void Recorder::called(TimeNs now_ns, std::uint64_t number, unsigned node, std::uint64_t life,
                      const Operation& operation) {
  operations_[number] = recording_.operations.size();
  Recording::Operation& recorded = recording_.operations.emplace_back();
  recorded.node = node;
  recorded.life = life;
  recorded.kind = to_string(operation.kind);
  recorded.text = describe(operation);
  recorded.called_ns = now_ns;
  if (operation.ino) recorded.inodes.push_back(operation.ino.value);
  const bool two = operation.kind == OpKind::rename || operation.kind == OpKind::link;
  if (two) recorded.inodes.push_back(operation.other.value);
}

void Recorder::took_effect(TimeNs now_ns, std::uint64_t number, TxnNo txn) {
  const auto found = operations_.find(number);
  if (found == operations_.end()) return;
  recording_.operations[found->second].effect_ns = now_ns;
  recording_.operations[found->second].txn = txn.value;
}

void Recorder::answered(TimeNs now_ns, std::uint64_t number, const Outcome& outcome) {
  const auto found = operations_.find(number);
  if (found == operations_.end()) return;
  Recording::Operation& recorded = recording_.operations[found->second];
  recorded.answered_ns = now_ns;
  recorded.result = outcome.error.has_value() ? to_string(*outcome.error) : "success";
  if (outcome.attributes.has_value()) recorded.inodes.push_back(outcome.attributes->ino.value);
  operations_.erase(found);
}

Recording::Life* Recorder::life_of(unsigned node) {
  for (Recording::Life& life : recording_.lives) {
    if (life.node == node && !life.ends_ns.has_value()) return &life;
  }
  return nullptr;
}

void Recorder::life_begins(TimeNs now_ns, unsigned node, std::uint64_t life) {
  Recording::Life& recorded = recording_.lives.emplace_back();
  recorded.node = node;
  recorded.number = life;
  recorded.begins_ns = now_ns;
}

void Recorder::life_serves(TimeNs now_ns, unsigned node) {
  if (Recording::Life* life = life_of(node)) life->serves_ns = now_ns;
}

void Recorder::life_ends(TimeNs now_ns, unsigned node, std::string_view how) {
  Recording::Life* life = life_of(node);
  if (life == nullptr) return;
  life->ends_ns = now_ns;
  life->how = how;
  end_holds(now_ns, node, nullptr);
}

void Recorder::leads(TimeNs now_ns, std::optional<unsigned> node) {
  newest_ns_ = now_ns;
  std::vector<Recording::Leadership>& all = recording_.leaderships;
  const bool open = !all.empty() && !all.back().ends_ns.has_value();
  if (open && node == all.back().node) return;
  if (open) all.back().ends_ns = now_ns;
  if (node.has_value()) all.push_back({.node = *node, .begins_ns = now_ns, .ends_ns = {}});
}

void Recorder::fault(TimeNs now_ns, const Fault& fault) {
  recording_.faults.push_back({.at_ns = now_ns,
                               .lasts_ns = fault.lasts_ns,
                               .kind = std::string(fault.kind),
                               .node = fault.node,
                               .other = fault.other});
}

}  // namespace scoutfs::sim
