#include "nbd/plugin/fence_table.hpp"

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"

namespace scoutfs::nbd {

namespace {
constexpr std::uint64_t kMagic = 0x656c'6261'746e'6566;  // arbitrary, of this format only
}

void FenceTable::reset(Fsid fsid) {
  fsid_ = fsid;
  floor_ = generation_;
  term_ = {};
  leader_ = {};
  registered_.clear();
  fenced_.clear();
}

bool FenceTable::is_fenced(Incarnation who) const {
  const auto found = fenced_.find(who.rid);
  return found != fenced_.end() && who.epoch <= found->second;
}

Result<bool> FenceTable::admit(const Identity& who) {
  if (who.fsid != fsid_) return fail(Errc::wrong_volume);
  // Made by another table: nothing is known about its past.
  if (who.table != id_) return fail(Errc::fenced);
  if (is_fenced(who.who)) return fail(Errc::fenced);
  if (who.role == Role::leader && who.who.epoch.value < term_.number) {
    return fail(Errc::fenced);
  }
  const auto known = registered_.find(who.who.rid);
  if (known != registered_.end()) {
    if (who.who.epoch < known->second.epoch) return fail(Errc::fenced);
    if (who.who.epoch == known->second.epoch) return false;
    known->second.epoch = who.who.epoch;
    return true;
  }
  if (who.born < floor_) return fail(Errc::fenced);
  if (registered_.size() >= kRegisteredMax) return fail(Errc::no_space);
  registered_[who.who.rid] = {.epoch = who.who.epoch, .role = who.role, .node = who.node};
  return true;
}

bool FenceTable::fence(Incarnation victim) {
  const auto known = registered_.find(victim.rid);
  if (is_fenced(victim)) return false;
  if (known != registered_.end() && known->second.epoch <= victim.epoch) {
    registered_.erase(known);
  }
  ++generation_;
  fenced_[victim.rid] = victim.epoch;
  if (fenced_.size() > kFencedMax) {
    fenced_.clear();
    floor_ = generation_;
  }
  return true;
}

Result<bool> FenceTable::register_term(Term term, Incarnation leader) {
  if (term < term_) return fail(Errc::fenced);
  if (term == term_ && leader != leader_) return fail(Errc::fenced);
  if (term == term_) return false;
  term_ = term;
  leader_ = leader;
  return true;
}

std::string FenceTable::encode(const FenceTable& table) {
  std::string bytes;
  Writer out(bytes);
  out.put(std::uint64_t{0});
  out.put(kMagic);
  out.put(table.id_);
  out.put(table.fsid_);
  out.put(table.generation_);
  out.put(table.floor_);
  out.put(table.term_);
  out.put(table.leader_);
  out.put(static_cast<std::uint32_t>(table.registered_.size()));
  out.put(static_cast<std::uint32_t>(table.fenced_.size()));
  for (const auto& [rid, entry] : table.registered_) {
    out.put(Incarnation{rid, entry.epoch});
    out.put(static_cast<std::uint8_t>(entry.role));
    out.put_string(entry.node);
  }
  for (const auto& [rid, epoch] : table.fenced_) out.put(Incarnation{rid, epoch});
  store_little(bytes.data(), checksum64(std::string_view(bytes).substr(8), 0));
  return bytes;
}

Result<FenceTable> FenceTable::decode(std::string_view bytes) {
  constexpr std::size_t kFixedSize = 82;
  if (bytes.size() < kFixedSize) return fail(Errc::corrupt);
  if (load_little<std::uint64_t>(bytes.data()) != checksum64(bytes.substr(8), 0)) {
    return fail(Errc::corrupt);
  }
  Reader in(bytes.substr(8));
  if (in.get<std::uint64_t>() != kMagic) return fail(Errc::corrupt);
  FenceTable table;
  table.id_ = in.get<std::uint64_t>();
  table.fsid_ = in.get_id<Fsid>();
  table.generation_ = in.get<std::uint64_t>();
  table.floor_ = in.get<std::uint64_t>();
  table.term_ = in.get_term();
  table.leader_ = in.get_incarnation();
  const auto registered = in.get<std::uint32_t>();
  const auto fenced = in.get<std::uint32_t>();
  if (registered > kRegisteredMax || fenced > kFencedMax) return fail(Errc::corrupt);
  if (table.floor_ > table.generation_) return fail(Errc::corrupt);
  for (std::uint32_t i = 0; i < registered && in.good(); ++i) {
    const Incarnation who = in.get_incarnation();
    const auto role = in.get<std::uint8_t>();
    const std::string node(in.get_string(kNodeNameMax));
    if (role > static_cast<std::uint8_t>(Role::format)) return fail(Errc::corrupt);
    if (i > 0 && table.registered_.rbegin()->first >= who.rid) return fail(Errc::corrupt);
    table.registered_[who.rid] = {
        .epoch = who.epoch, .role = static_cast<Role>(role), .node = node};
  }
  for (std::uint32_t i = 0; i < fenced && in.good(); ++i) {
    const Incarnation who = in.get_incarnation();
    if (i > 0 && table.fenced_.rbegin()->first >= who.rid) return fail(Errc::corrupt);
    table.fenced_[who.rid] = who.epoch;
  }
  if (!in.finished()) return fail(Errc::corrupt);
  return table;
}

}  // namespace scoutfs::nbd
