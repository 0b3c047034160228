#include "sim/explain/describe_message.hpp"

#include <fmt/core.h>

#include <variant>

#include "engine/cluster/peer_messages.hpp"
#include "engine/session/messages.hpp"
#include "sim/message_kinds.hpp"

namespace scoutfs::sim {

namespace {

using namespace session;

std::string lock_text(lock::LockId id, lock::Mode mode) {
  return fmt::format("{} {}", to_string(id), to_string(mode));
}

struct Describe {
  MessageContent content;

  void operator()(const LockRequest& m) { content.text = lock_text(m.id, m.mode); }
  void operator()(const LockGrant& m) {
    content.text = fmt::format("{}, grant {}", lock_text(m.id, m.mode), m.grant.value);
    content.granted = {.id = m.id, .mode = m.mode, .grant = m.grant};
  }
  void operator()(const Release& m) {
    content.text =
        fmt::format("{} keeps {}, grant {}", to_string(m.id), to_string(m.keep), m.grant.value);
    content.released = {.id = m.id, .mode = m.keep, .grant = m.grant};
  }
  void operator()(const Revoke& m) {
    content.text = fmt::format("{} may keep {}, grant {}", to_string(m.id), to_string(m.keep),
                               m.grant.value);
  }
  void operator()(const Declare& m) {
    content.text =
        fmt::format("{} locks, next transaction {}", m.locks.size(), m.next_txn.value);
  }
  void operator()(const DeclareAnswer& m) {
    content.text = fmt::format("recorded up to transaction {}", m.recorded.value);
  }
  void operator()(const Commit& m) {
    content.text = fmt::format("transaction {}, seq {}, {} segments", m.txn.value, m.seq.value,
                               m.segments.size());
  }
  void operator()(const CommitAnswer& m) {
    content.text = fmt::format("version {}, next seq {}", m.version.value, m.next_seq.value);
  }
  void operator()(const SpaceRequest& m) { content.text = fmt::format("{} blocks", m.blocks); }
  void operator()(const CommitWanted& m) {
    content.text = fmt::format("up to seq {}", m.up_to.value);
  }
  void operator()(const SeqAnswer& m) { content.text = fmt::format("seq {}", m.seq.value); }
  void operator()(const DropSeq& m) { content.text = fmt::format("seq {}", m.seq.value); }
  void operator()(const CloseInode& m) { content.text = fmt::format("inode {}", m.ino.value); }
  void operator()(const Unlinked& m) { content.text = fmt::format("inode {}", m.ino.value); }
  void operator()(const LastClosed& m) { content.text = fmt::format("inode {}", m.ino.value); }
  void operator()(const JobResult& m) {
    content.text = fmt::format("job {}{}", m.job.value, m.done ? "" : ", not done");
  }
  void operator()(const LeaseAnswer& m) {
    content.text = fmt::format("{} ms", m.duration_ns / kMillisecond);
  }
  void operator()(const Greeting& m) {
    content.text = fmt::format("{} as {:x}", m.name, m.who.rid.value);
  }
  void operator()(const Welcome& m) {
    content.text = fmt::format("term {}, {}", m.term.number,
                               m.resumed ? "the session goes on" : "a new session");
  }
  template <class Other>
  void operator()(const Other&) {}
};

template <class... Alternatives>
MessageContent describe(const std::variant<Alternatives...>& body) {
  Describe describe;
  std::visit(describe, body);
  return std::move(describe.content);
}

std::string voter_text(std::string_view frame) {
  if (const auto request = cluster::decode_peer_request(frame); request.has_value()) {
    return fmt::format("term {} of slot {}", request->term.number, request->term.slot);
  }
  if (const auto answer = cluster::decode_peer_answer(frame); answer.has_value()) {
    return fmt::format("{}, newest term {} of slot {}", answer->granted ? "yes" : "no",
                       answer->newest.number, answer->newest.slot);
  }
  return {};
}

}  // namespace

MessageContent content_of(const Observer::Message& message) {
  if (message_name(message.kind).starts_with("voter-")) {
    return {.text = voter_text(message.frame), .granted = {}, .released = {}};
  }
  if (const Result<Setup> setup = decode_setup(message.frame); setup.has_value()) {
    return describe(*setup);
  }
  constexpr std::size_t kChannelHeader = 16;
  if (message.frame.size() <= kChannelHeader) return {};
  const std::string_view body = message.frame.substr(kChannelHeader);
  const auto of = [](const auto& decoded) {
    if (!decoded.has_value()) return MessageContent{};
    return std::visit([](const auto& inner) { return describe(inner); }, decoded->body);
  };
  return message.from_member ? of(decode_member_message(body))
                             : of(decode_leader_message(body));
}

}  // namespace scoutfs::sim
