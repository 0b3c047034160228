// What a directory and a file do, one call after the other, as far as it is known what they
// hold. Their own small specification: it shares nothing with the model.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/linearize/history.hpp"

namespace scoutfs::sim {

class ObjectState {
 public:
  ObjectState() = default;
  ObjectState(const ObjectState&) = default;
  ObjectState& operator=(const ObjectState&) = delete;
  virtual ~ObjectState() = default;

  virtual std::unique_ptr<ObjectState> clone() const = 0;
  // False: its answer would not be right here.
  virtual bool apply(const HistoryCall& call) = 0;
  // It took effect in some way.
  virtual void blur(const HistoryCall& call) = 0;
  // Equal for equal states.
  virtual std::string key() const = 0;
};

class DirectoryState final : public ObjectState {
 public:
  explicit DirectoryState(Ino ino) : ino_(ino) {}

  std::unique_ptr<ObjectState> clone() const override {
    return std::make_unique<DirectoryState>(*this);
  }
  bool apply(const HistoryCall& call) override;
  void blur(const HistoryCall& call) override;
  std::string key() const override;

  // The directories whose names the operation reads or changes.
  static std::vector<Ino> touched_by(const Operation& op);

 private:
  struct Entry {
    enum class State : std::uint8_t { unknown, absent, present } state = State::unknown;
    Ino ino;  // of one that is present; none: not known
  };
  // Whether that may be so; from then on it is known.
  bool is_absent(const std::string& name);
  bool is_present(const std::string& name, Ino ino = {});
  Entry& entry(const std::string& name);
  bool apply_create(const HistoryCall& call, Ino made);
  bool apply_rename(const HistoryCall& call);
  bool apply_listing(const HistoryCall& call);

  Ino ino_;
  std::map<std::string, Entry> entries_;
  Entry::State others_ = Entry::State::unknown;  // names that are not in the map
};

class FileState final : public ObjectState {
 public:
  explicit FileState(Ino ino) : ino_(ino) {}

  std::unique_ptr<ObjectState> clone() const override {
    return std::make_unique<FileState>(*this);
  }
  bool apply(const HistoryCall& call) override;
  void blur(const HistoryCall& call) override;
  std::string key() const override;

  static std::vector<Ino> touched_by(const HistoryCall& call);

 private:
  // Bytes that are known: those of `source` from `from` on; nullptr: zeros.
  struct Piece {
    std::uint64_t end = 0;
    const std::string* source = nullptr;
    std::uint64_t from = 0;
  };
  bool is_size(std::uint64_t size);
  void grow_to(std::uint64_t size);
  void put(std::uint64_t begin, std::uint64_t end, const std::string* source);
  void forget(std::uint64_t begin, std::uint64_t end);
  bool apply_read(const HistoryCall& call);
  void apply_truncate(std::uint64_t size);

  Ino ino_;
  std::optional<std::uint64_t> size_;
  std::map<std::uint64_t, Piece> pieces_;  // by where they begin
};

}  // namespace scoutfs::sim
