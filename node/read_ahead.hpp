// ReadAhead: what a file that is read from one end to the other will be asked for next, read
// before it is asked for.
//
// It is for reads past the kernel's page cache: there the kernel asks for one piece after the
// other, and disk, daemon and program would take turns. Reads through the page cache are run
// ahead of by the kernel.
//
// A piece that was read ahead is like a page in the kernel's cache: it may be used as long as
// the lock under which it was read is held, and nobody on this node changes the file. So
// KernelCache drops the pieces of a lock before it gives it up, a change of the contents holds
// a Change from before it begins until it is over, and whoever uses a piece looks in the same
// step whether it is still fresh. The lease is looked at when the answer is given, as always.
//
// Bounds: kStreamsMax files, kPiecesMax pieces of kPieceMax bytes each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"

namespace scoutfs::node {

class ReadAhead {
 public:
  static constexpr std::size_t kStreamsMax = 8;
  static constexpr std::size_t kPiecesMax = 2;
  static constexpr std::size_t kPieceMax = 1u << 20;     // bytes
  static constexpr std::size_t kRequestMin = 64u << 10;  // smaller reads are not run ahead of

  class Source {
   public:
    virtual ~Source() = default;
    // Reads the file at a byte offset; returns how many bytes there were. Reads that wait for a
    // lock which is being given up must be let in before it is (client::Caller::page_reader).
    virtual Task<Result<std::size_t>> read(Ino ino, std::uint64_t offset,
                                           std::span<std::byte> out,
                                           Cancellation* cancellation) = 0;
  };

  ReadAhead(Scheduler& scheduler, Source& source)
      : scheduler_(scheduler), source_(source), ending_(scheduler), scope_(scheduler) {}
  // Requires: close() has completed, or the node was killed.
  ~ReadAhead();
  // Ends what is under way; nothing is read ahead any more.
  Task<void> close();

  // The bytes that were asked for, short at the end of the file.
  class Data {
   public:
    std::string_view bytes() const { return {reinterpret_cast<const char*>(from_), size_}; }
    // To be asked in the step in which they are used.
    bool fresh() const;

   private:
    friend class ReadAhead;
    std::vector<std::shared_ptr<struct ReadAheadPiece>> pieces_;
    std::unique_ptr<std::byte[]> joined_;
    const std::byte* from_ = nullptr;
    std::size_t size_ = 0;
  };
  // What was read ahead of this request. Nothing: it must be read. Reads on behind it when it
  // goes on where the last one of this file ended.
  Task<std::optional<Data>> take(Ino ino, std::uint64_t offset, std::size_t size,
                                 Cancellation* cancellation);

  // Requests that take() had something for.
  std::uint64_t hits() const { return hits_; }

  // Nothing of these inodes is fresh any more.
  void drop(Ino first, Ino last);

  // The contents of a file are being changed on this node as long as it lives.
  class Change {
   public:
    Change(ReadAhead& owner, Ino ino);
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change();

   private:
    ReadAhead& owner_;
    Ino ino_;
  };

 private:
  friend struct ReadAheadPiece;
  using Piece = ReadAheadPiece;
  using Pieces = std::vector<std::shared_ptr<Piece>>;

  struct Stream {
    std::uint64_t next = 0;  // where the last request ended
    std::uint64_t used = 0;  // when; counts requests
    unsigned run = 0;        // requests that followed each other
    bool ended = false;      // the file's end was seen
    std::deque<std::shared_ptr<Piece>> pieces;
  };

  Stream& stream_of(Ino ino);
  // The pieces that cover the request, in order.
  Pieces follow(Ino ino, std::uint64_t offset, std::size_t size);
  void extend(Stream& stream, Ino ino, std::size_t size);
  Task<void> fill(std::shared_ptr<Piece> piece);
  // Requires: all pieces are there. False: they do not cover the request.
  static bool join(Data& data, std::uint64_t offset, std::size_t size);

  Scheduler& scheduler_;
  Source& source_;
  std::map<Ino, Stream> streams_;
  std::multimap<Ino, Piece*> pieces_;      // all that live
  std::map<Ino, std::uint64_t> changing_;  // how many changes are under way
  std::uint64_t requests_ = 0;
  std::uint64_t hits_ = 0;
  bool closed_ = false;
  Cancellation ending_;
  TaskScope scope_;
};

}  // namespace scoutfs::node
