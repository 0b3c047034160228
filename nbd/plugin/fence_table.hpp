// FenceTable: what a disk server must remember of incarnations across its own restarts.
//
// An incarnation is *registered* when it is first admitted, and *fenced* when it must never be
// admitted again. Both are kept by rid, which is never used twice. What is neither is new: it
// may register, if it is younger than the table's floor. The floor is what bounds the table:
// when there are too many fenced entries they are dropped and the floor rises to the generation
// of now. A dropped one was born before the fence that made its entry, hence below the floor,
// and is not registered: it stays refused. A registered one stays known however old it is.
//
// The table also holds the newest term that a leader has registered: fences of older terms are
// refused, and so are leaders of older terms.
//
// Pure data: persistence is TableFile's, waiting for requests in flight is ClientGate's.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"
#include "nbd/export_name.hpp"

namespace scoutfs::nbd {

class FenceTable {
 public:
  static constexpr std::size_t kFencedMax = 4096;       // more are compacted
  static constexpr std::size_t kRegisteredMax = 65536;  // more are refused
  struct Registered {
    Epoch epoch;
    Role role = Role::mount;
    std::string node;
    bool operator==(const Registered&) const = default;
  };

  FenceTable() = default;
  explicit FenceTable(std::uint64_t id) : id_(id) {}

  std::uint64_t id() const { return id_; }
  Fsid fsid() const { return fsid_; }  // of the volume its entries are about; 0: none yet
  std::uint64_t generation() const { return generation_; }
  std::uint64_t floor() const { return floor_; }
  Term term() const { return term_; }
  Incarnation leader() const { return leader_; }
  const std::map<Rid, Registered>& registered() const { return registered_; }
  const std::map<Rid, Epoch>& fenced() const { return fenced_; }

  // Another volume was made on the disk: what was known is about incarnations that are no more.
  void reset(Fsid fsid);

  // Registers `who` unless it is registered already; true if that changed the table. Errors:
  //   wrong_volume  its volume is not the table's;
  //   fenced        it is fenced, or older than what is registered or known here;
  //   no_space      too many are registered.
  Result<bool> admit(const Identity& who);
  // Nothing of `victim`, or of an older epoch of its rid, is admitted any more. True if that is
  // news.
  bool fence(Incarnation victim);
  bool is_fenced(Incarnation who) const;

  // Errors: fenced (a newer term is known, or the same one of another leader). True if the
  // table changed.
  Result<bool> register_term(Term term, Incarnation leader);
  bool term_may_act(Term term) const { return term >= term_; }

  // The file's bytes:
  //
  //   offset size field
  //        0    8 checksum      XXH3-64, seed 0, of everything behind it
  //        8    8 magic
  //       16    8 id
  //       24    8 fsid
  //       32    8 generation
  //       40    8 floor
  //       48   10 term          number, slot
  //       58   16 leader        rid, epoch
  //       74    4 registered    entries: at most kRegisteredMax
  //       78    4 fenced        entries: at most kFencedMax
  //       82    - registered    {rid, epoch, u8 role, varint size, node}, ascending by rid
  //        -    - fenced        {rid, epoch}, ascending by rid
  static std::string encode(const FenceTable& table);
  // Errors: corrupt.
  static Result<FenceTable> decode(std::string_view bytes);
  bool operator==(const FenceTable&) const = default;

 private:
  std::uint64_t id_ = 0;
  Fsid fsid_;
  std::uint64_t generation_ = 0;  // fences so far
  std::uint64_t floor_ = 0;
  Term term_;
  Incarnation leader_;
  std::map<Rid, Registered> registered_;
  std::map<Rid, Epoch> fenced_;
};

}  // namespace scoutfs::nbd
