#include "sim/leadership.hpp"

#include <fmt/core.h>

namespace scoutfs::sim {

Result<std::shared_ptr<DiskPath>> Leadership::open(unsigned node, Life life, Incarnation who) {
  if (refused_.contains(who)) return fail(Errc::fenced);
  std::shared_ptr<DiskPath> path = disk_.open_path(node);
  if (late_.contains(who)) SharedDisk::distrust(*path);
  ways_[who] = {.life = life, .path = path};
  return path;
}

std::shared_ptr<DiskPath> Leadership::path_of(Incarnation who) const {
  const auto found = ways_.find(who);
  return found == ways_.end() ? nullptr : found->second.path;
}

std::vector<std::shared_ptr<DiskPath>> Leadership::paths_of(Life life) const {
  std::vector<std::shared_ptr<DiskPath>> paths;
  for (const auto& [who, way] : ways_) {
    if (way.life == life) paths.push_back(way.path);
  }
  return paths;
}

format::QuorumBlock Leadership::durable_block(std::uint16_t slot) const {
  format::QuorumBlock newest;
  for (std::uint64_t copy = 0; copy < 2; ++copy) {
    const BlockRef& bytes =
        disk_.durable_image().block(format::quorum_block_at(slot, copy).value);
    if (bytes == nullptr) continue;
    const std::string_view image{reinterpret_cast<const char*>(bytes->data()), kBlockSize};
    const auto block = format::decode_quorum_block(image, fsid_, slot);
    if (block.has_value() && block->write_number > newest.write_number) newest = *block;
  }
  return newest;
}

bool Leadership::harmless(const Reign& reign) const {
  if (reign.stopped) return true;
  const std::shared_ptr<DiskPath> path = path_of(reign.server);
  if (path != nullptr) return SharedDisk::harmless(*path);
  return refused_.contains(reign.server) || late_.contains(reign.server) ||
         dead_.contains(reign.life);
}

void Leadership::began(unsigned node, Life life, Incarnation mount, Term term) {
  OracleBoard& board = world_.board();
  board.ran("leader");
  const Reign begins{
      .life = life, .server = format::leader_incarnation(mount, term), .stopped = false};
  // It was overtaken while it stood still, and will find out.
  if (harmless(begins)) return;
  for (const auto& [other, reign] : reigns_) {
    if (other >= term) {
      board.fail("leader", fmt::format("node{} leads term {}.{}, but term {}.{} was led", node,
                                       term.number, term.slot, other.number, other.slot));
    }
    if (!harmless(reign)) {
      board.fail("leader",
                 fmt::format("node{} begins term {}.{} while the leader of term {}.{} "
                             "can still write",
                             node, term.number, term.slot, other.number, other.slot));
    }
  }
  reigns_[term] = begins;
}

void Leadership::stopped(unsigned node, Term term) {
  const auto found = reigns_.find(term);
  if (found == reigns_.end()) return;  // it stood down before it began
  world_.board().ran("leader");
  found->second.stopped = true;
  const std::shared_ptr<DiskPath> path = path_of(found->second.server);
  if (path == nullptr || SharedDisk::harmless(*path)) return;
  world_.board().fail("leader",
                      fmt::format("node{} says that it stopped leading term {}.{} while its "
                                  "server can still write",
                                  node, term.number, term.slot));
}

void Leadership::voted(unsigned node, std::uint16_t slot, Term term) {
  world_.board().ran("leader");
  Term& newest = voted_[slot];
  if (newest.number > term.number || (newest.number == term.number && newest != term)) {
    world_.board().fail(
        "leader", fmt::format("node{}: slot {} votes for term {}.{} after it voted for "
                              "term {}.{}",
                              node, slot, term.number, term.slot, newest.number, newest.slot));
  }
  newest = term;
}

void Leadership::reached(unsigned node, std::uint16_t slot, Life life, Incarnation mount,
                         Milestone milestone, Term term) {
  world_.trace().line(world_.now_ns(), node, "{}: term {}.{}", to_string(milestone),
                      term.number, term.slot);
  const format::QuorumBlock block = durable_block(slot);
  const auto claims = [&](bool holds, std::string_view what) {
    world_.board().ran("leader");
    if (holds) return;
    world_.board().fail("leader", fmt::format("node{}: {} in term {}.{}, but its block on the "
                                              "disk does not say so",
                                              node, what, term.number, term.slot));
  };
  switch (milestone) {
    case Milestone::voted:
      claims(block.voted == term, "voted");
      return voted(node, slot, term);
    case Milestone::elected:
      return claims(block.elect == term, "elected");
    case Milestone::leaders_fenced:
      return began(node, life, mount, term);
    case Milestone::stopped:
      claims(block.stop >= term, "stopped");
      return stopped(node, term);
    case Milestone::server_started:
    case Milestone::recovered:
    case Milestone::server_ended:
      return;
  }
}

void Leadership::sent(unsigned from, unsigned to, std::string_view message) {
  const Result<cluster::PeerHello> hello = cluster::decode_peer_hello(message);
  if (hello.has_value()) {
    slot_of_[to] = hello->to;
    return;
  }
  const Result<cluster::PeerRequest> request = cluster::decode_peer_request(message);
  if (request.has_value()) {
    // Numbers begin anew with each life.
    asked_.erase({from, to, request->number});
    if (request->kind != cluster::PeerRequest::Kind::vote) return;
    asked_[{from, to, request->number}] = request->term;
    return;
  }
  const Result<cluster::PeerAnswer> answer = cluster::decode_peer_answer(message);
  if (!answer.has_value() || !answer->granted) return;
  const auto found = asked_.find({to, from, answer->number});
  if (found == asked_.end()) return;
  const Term term = found->second;
  asked_.erase(found);
  world_.board().ran("leader");
  // It may have voted in a newer term since.
  if (durable_block(slot_of_.at(from)).voted >= term) return;
  world_.board().fail("leader", fmt::format("node{}'s vote for term {}.{} leaves before it is "
                                            "on the disk",
                                            from, term.number, term.slot));
}

}  // namespace scoutfs::sim
