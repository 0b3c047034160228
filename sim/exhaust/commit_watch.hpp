// CommitWatch: sees how far a commit has come, by what leaves and arrives.
#pragma once

#include <cstdint>
#include <optional>

#include "sim/exhaust/space.hpp"
#include "sim/observer.hpp"

namespace scoutfs::sim {

class CommitWatch final : public Observer {
 public:
  // Of what `actor` commits at `leader`; `journal` is where that writes.
  CommitWatch(unsigned actor, unsigned leader, Extent journal, Extent space)
      : actor_(actor), leader_(leader), journal_(journal), space_(space) {}

  bool reached(CommitPoint point) const { return next_ > static_cast<std::size_t>(point); }

  void sent(TimeNs now_ns, const Message& message) override;
  void arrived(TimeNs now_ns, std::uint64_t number) override;
  void write_begun(TimeNs now_ns, const Write& write) override;
  void write_ended(TimeNs now_ns, std::uint64_t number, bool well) override;

 private:
  bool is_next(CommitPoint point) const { return next_ == static_cast<std::size_t>(point); }
  // What came next has number `number`.
  void note(std::uint64_t number) {
    ++next_;
    number_ = number;
  }

  unsigned actor_, leader_;
  Extent journal_, space_;
  std::size_t next_ = 0;  // which point
  std::uint64_t number_ = 0;
};

}  // namespace scoutfs::sim
