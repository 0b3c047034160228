#include "node/read_ahead.hpp"

#include <algorithm>
#include <cstring>

namespace scoutfs::node {

namespace {

constexpr unsigned kRunMin = 2;  // requests in a row before anything is read ahead

}  // namespace

struct ReadAheadPiece {
  ReadAheadPiece(ReadAhead& of, Ino file, std::uint64_t at, std::size_t bytes_wanted)
      : owner(of),
        ino(file),
        offset(at),
        size(bytes_wanted),
        bytes(std::make_unique_for_overwrite<std::byte[]>(bytes_wanted)),
        changed(of.scheduler_),
        entry(of.pieces_.emplace(file, this)) {}
  ReadAheadPiece(const ReadAheadPiece&) = delete;
  ReadAheadPiece& operator=(const ReadAheadPiece&) = delete;
  ~ReadAheadPiece() { owner.pieces_.erase(entry); }

  std::uint64_t end() const { return offset + size; }

  ReadAhead& owner;
  Ino ino;
  std::uint64_t offset;
  std::size_t size;
  std::unique_ptr<std::byte[]> bytes;
  std::size_t got = 0;
  bool there = false;
  bool stale = false;  // also: it could not be read
  WaitQueue changed;   // there or stale
  std::multimap<Ino, ReadAheadPiece*>::iterator entry;
};

bool ReadAhead::Data::fresh() const {
  return std::ranges::none_of(pieces_, [](const auto& piece) { return piece->stale; });
}

ReadAhead::~ReadAhead() = default;

Task<void> ReadAhead::close() {
  closed_ = true;
  streams_.clear();
  ending_.request();
  co_await scope_.drain();
}

ReadAhead::Stream& ReadAhead::stream_of(Ino ino) {
  if (!streams_.contains(ino) && streams_.size() >= kStreamsMax) {
    streams_.erase(std::ranges::min_element(
        streams_, {}, [](const auto& entry) { return entry.second.used; }));
  }
  Stream& stream = streams_[ino];
  stream.used = ++requests_;
  return stream;
}

ReadAhead::Pieces ReadAhead::follow(Ino ino, std::uint64_t offset, std::size_t size) {
  Pieces covering;
  if (closed_ || size == 0 || changing_.contains(ino)) return covering;
  if (size < kRequestMin && !streams_.contains(ino)) return covering;
  Stream& stream = stream_of(ino);
  if (stream.next != offset) {
    stream = Stream{};
    stream.used = requests_;
  }
  const std::uint64_t end = offset + size;
  while (!stream.pieces.empty() && stream.pieces.front()->offset < end) {
    covering.push_back(stream.pieces.front());
    if (covering.back()->end() > end) break;
    stream.pieces.pop_front();
  }
  stream.next = end;
  if (++stream.run >= kRunMin) extend(stream, ino, size);
  return covering;
}

void ReadAhead::extend(Stream& stream, Ino ino, std::size_t size) {
  // The kernel's pieces are taken over as they are; others would have to be put together.
  const bool whole = size >= kPieceMax / 4 && size <= kPieceMax && size % kBlockSize == 0;
  const std::size_t piece_size = whole ? size : kPieceMax;
  while (!stream.ended && stream.pieces.size() < kPiecesMax) {
    const std::uint64_t at = stream.pieces.empty() ? stream.next : stream.pieces.back()->end();
    auto piece = std::make_shared<Piece>(*this, ino, at, piece_size);
    stream.pieces.push_back(piece);
    scope_.spawn(fill(std::move(piece)));
  }
}

Task<void> ReadAhead::fill(std::shared_ptr<Piece> piece) {
  const std::span<std::byte> out(piece->bytes.get(), piece->size);
  const Result<std::size_t> got =
      co_await source_.read(piece->ino, piece->offset, out, &ending_);
  if (got.has_value()) {
    piece->got = *got;
    piece->there = true;
  } else {
    piece->stale = true;
  }
  piece->changed.wake_all();
  const auto stream = streams_.find(piece->ino);
  const bool short_one = piece->got < piece->size;
  if (stream != streams_.end() && !piece->stale && short_one) stream->second.ended = true;
}

bool ReadAhead::join(Data& data, std::uint64_t offset, std::size_t size) {
  const Pieces& pieces = data.pieces_;
  const Piece& first = *pieces.front();
  if (offset < first.offset) return false;
  const std::size_t skip = offset - first.offset;
  if (pieces.size() == 1 && (first.end() >= offset + size || first.got < first.size)) {
    data.from_ = first.bytes.get() + std::min(skip, first.got);
    data.size_ = std::min(size, first.got - std::min(skip, first.got));
    return true;
  }
  data.joined_ = std::make_unique_for_overwrite<std::byte[]>(size);
  data.from_ = data.joined_.get();
  std::uint64_t at = offset;
  for (const auto& piece : pieces) {
    const std::size_t from = at - piece->offset;
    if (from < piece->got) {
      const std::size_t part = std::min<std::uint64_t>(piece->got - from, offset + size - at);
      std::memcpy(data.joined_.get() + (at - offset), piece->bytes.get() + from, part);
      at += part;
    }
    data.size_ = at - offset;
    if (piece->got < piece->size) return true;
  }
  return data.size_ == size;
}

Task<std::optional<ReadAhead::Data>> ReadAhead::take(Ino ino, std::uint64_t offset,
                                                     std::size_t size,
                                                     Cancellation* cancellation) {
  Data data;
  data.pieces_ = follow(ino, offset, size);
  if (data.pieces_.empty()) co_return std::nullopt;
  for (const auto& piece : data.pieces_) {
    while (!piece->there && !piece->stale) {
      const Wake wake = co_await piece->changed.wait(cancellation);
      if (wake == Wake::cancelled) co_return std::nullopt;
    }
  }
  if (!data.fresh() || !join(data, offset, size)) co_return std::nullopt;
  ++hits_;
  co_return std::optional<Data>(std::move(data));
}

void ReadAhead::drop(Ino first, Ino last) {
  streams_.erase(streams_.lower_bound(first), streams_.upper_bound(last));
  const auto end = pieces_.upper_bound(last);
  for (auto it = pieces_.lower_bound(first); it != end; ++it) {
    it->second->stale = true;
    it->second->changed.wake_all();
  }
}

ReadAhead::Change::Change(ReadAhead& owner, Ino ino) : owner_(owner), ino_(ino) {
  ++owner_.changing_[ino];
  owner_.drop(ino, ino);
}

ReadAhead::Change::~Change() {
  const auto found = owner_.changing_.find(ino_);
  if (--found->second == 0) owner_.changing_.erase(found);
}

}  // namespace scoutfs::node
