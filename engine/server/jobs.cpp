// The server's background work: handing out compaction, freeing what it replaced.
#include <algorithm>

#include "engine/server/server.hpp"

namespace scoutfs::server {

namespace {
constexpr std::uint64_t kJobsPerMember = 2;
constexpr std::uint64_t kOutputBytesMin = 32 * kBlockSize;  // that a segment of one item needs
constexpr TimeNs kAfterFailure = kSecond;
constexpr TimeNs kCompactPoll = kSecond;
}  // namespace

Task<void> Server::commit_quietly() {
  const Result<void> done = co_await commit_changes();
  SCOUTFS_MAYBE(done.has_value());  // a failure has stopped the server
}

Server::Session* Server::job_runner() {
  Session* best = nullptr;
  for (auto& [rid, session] : sessions_) {
    if (!session.declared || session.channel == nullptr || !session.channel->connected())
      continue;
    // A session outlives its member's farewell by a moment.
    if (!state_->members().contains(rid) || session.jobs >= kJobsPerMember) continue;
    // Its way to the disk may be bad; the others' may not.
    if (env_.clock.now_ns() < session.jobs_held_until_ns) continue;
    if (best == nullptr || session.jobs < best->jobs) best = &session;
  }
  return best;
}

bool Server::compaction_stalled() const {
  if (!jobs_.empty()) return false;
  const TimeNs now_ns = env_.clock.now_ns();
  if (now_ns < jobs_held_until_ns_) return true;
  return std::any_of(sessions_.begin(), sessions_.end(), [now_ns](const auto& entry) {
    return now_ns < entry.second.jobs_held_until_ns;
  });
}

bool Server::start_one_job() {
  Session* runner = job_runner();
  if (runner == nullptr || env_.clock.now_ns() < jobs_held_until_ns_) return false;
  lsm::CompactionPicker::Choice choice = picker_.pick(state_->manifest(), state_->next_job());
  if (choice.move.has_value()) {
    state_->move(choice.move->ref, choice.move->to_level);
    handlers_.spawn(commit_quietly());
    changed_.wake_all();
    return true;
  }
  if (!choice.job.has_value()) return false;
  const JobId id = choice.job->id;
  // Where free space is in pieces, the outputs are smaller.
  bool started = state_->start_job(runner->rid, *choice.job).has_value();
  while (!started && choice.job->segment_size_max >= 2 * kOutputBytesMin) {
    choice.job->segment_size_max /= 2;
    choice.job->segment_size_max -= choice.job->segment_size_max % kBlockSize;
    started = state_->start_job(runner->rid, *choice.job).has_value();
  }
  if (!started) {
    picker_.release(id);
    jobs_held_until_ns_ = env_.clock.now_ns() + kAfterFailure;
    env_.log.warn(
        "leader: no space for the output of a compaction ({} blocks free, {} in one piece)",
        state_->free_blocks(), state_->longest_free());
    changed_.wake_all();
    return false;
  }
  env_.log.debug("leader: compaction {} of {} segments to level {} goes to {:x}", id.value,
                 choice.job->inputs.size(), choice.job->output_level, runner->rid.value);
  ++runner->jobs;
  jobs_.emplace(id, RunningJob{.job = std::move(*choice.job), .rid = runner->rid});
  handlers_.spawn(offer_job(id));
  return true;
}

Task<void> Server::offer_job(JobId id) {
  const Result<void> durable = co_await commit_changes();
  const auto found = jobs_.find(id);
  if (!durable.has_value() || found == jobs_.end()) co_return;
  const format::JobRecord& record = state_->jobs().at(id);
  notify(found->second.rid,
         session::JobOffer{.job = found->second.job, .space = record.outputs});
}

Task<void> Server::compact() {
  while (!stopping_ && !failed_) {
    if (!recovering_) {
      while (start_one_job()) {
      }
      free_unreferenced();
    }
    co_await compact_wake_.wait(&cancellation_, env_.clock.now_ns() + kCompactPoll);
  }
}

Task<void> Server::do_job_result(Rid rid, RequestId id, session::JobResult result) {
  const auto found = jobs_.find(result.job);
  if (found == jobs_.end() || found->second.rid != rid) {
    // Of an earlier leader: it was abandoned when the member declared itself.
    answer(rid, id, session::Empty{});
    co_return;
  }
  env_.log.debug("leader: compaction {} ended", result.job.value);
  if (result.done) {
    const Result<void> finished = state_->finish_job(rid, found->second.job, result.outputs);
    if (!finished.has_value()) {
      violation(rid, "the result of a compaction does not fit the job");
      co_return;
    }
  } else {
    state_->abandon_job(result.job);
    if (const auto session = sessions_.find(rid); session != sessions_.end()) {
      session->second.jobs_held_until_ns = env_.clock.now_ns() + kAfterFailure;
    }
  }
  jobs_.erase(found);
  picker_.release(result.job);
  if (const auto session = sessions_.find(rid); session != sessions_.end()) {
    --session->second.jobs;
  }
  changed_.wake_all();
  compact_wake_.wake_all();
  session::Empty nothing;
  co_await answer_when_durable(rid, id, std::move(nothing));
}

void Server::free_unreferenced() {
  if (recovering_ || stopping_ || failed_ || !state_->newest_replaced()) return;
  Version oldest = state_->newest_replaced();
  for (const auto& [rid, session] : sessions_) {
    if (!state_->members().contains(rid)) continue;
    oldest = std::min(oldest, session.oldest_list);
  }
  if (state_->free_replaced(oldest)) handlers_.spawn(commit_quietly());
}

}  // namespace scoutfs::server
