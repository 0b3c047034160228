#include "sim/exhaust/commit_watch.hpp"

#include "sim/message_kinds.hpp"

namespace scoutfs::sim {

namespace {
bool within(BlockNo block, Extent extent) {
  return extent.start <= block && block < extent.end();
}
}  // namespace

void CommitWatch::sent(TimeNs, const Message& message) {
  // A commit without blocks of its own begins here.
  const bool not_sent = next_ <= static_cast<std::size_t>(CommitPoint::commit_sent);
  if (not_sent && message.from == actor_ && message_name(message.kind) == "commit") {
    next_ = static_cast<std::size_t>(CommitPoint::commit_sent);
    return note(message.number);
  }
  const bool answers = message.from == leader_ && message.to == actor_ &&
                       message_name(message.kind) == "commit-answer";
  if (is_next(CommitPoint::answer_sent) && answers) note(message.number);
}

void CommitWatch::arrived(TimeNs, std::uint64_t number) {
  if (number != number_) return;
  const bool commit = is_next(CommitPoint::commit_arrived);
  if (commit || is_next(CommitPoint::answer_arrived)) note(number);
}

void CommitWatch::write_begun(TimeNs, const Write& write) {
  if (is_next(CommitPoint::writes_begin) && write.node == actor_ &&
      within(write.first, space_)) {
    return note(write.number);
  }
  if (is_next(CommitPoint::record_begins) && write.node == leader_ &&
      within(write.first, journal_)) {
    note(write.number);
  }
}

void CommitWatch::write_ended(TimeNs, std::uint64_t number, bool) {
  if (number != number_) return;
  const bool blocks = is_next(CommitPoint::written);
  if (blocks || is_next(CommitPoint::recorded)) note(number);
}

}  // namespace scoutfs::sim
