// OracleBoard: which oracles ran, and the first thing that any of them found wrong.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

namespace scoutfs::sim {

class OracleBoard {
 public:
  struct Failure {
    std::string oracle;
    std::string what;
  };

  // The oracle looked at something.
  void ran(const std::string& oracle) { ++checks_[oracle]; }
  // The first failure stays; later ones are often its consequences.
  void fail(const std::string& oracle, std::string what) {
    ran(oracle);
    if (!failure_.has_value()) failure_.emplace(oracle, std::move(what));
  }
  bool failed() const { return failure_.has_value(); }
  const std::optional<Failure>& failure() const { return failure_; }
  // How often each oracle looked.
  const std::map<std::string, std::uint64_t>& checks() const { return checks_; }

 private:
  std::map<std::string, std::uint64_t> checks_;
  std::optional<Failure> failure_;
};

}  // namespace scoutfs::sim
