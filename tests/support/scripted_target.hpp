// A logical unit that does as a test tells it: enough of iSCSI (RFC 7143) and of persistent
// reservations (SPC-4) to log in, register keys, and preempt in the ways that real targets of a
// host differ in. It keeps no blocks: what is read is zero. Where the number of a command is
// missing, it ends the connection, on which others would wait for the missing one forever.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "node/loop/unique_fd.hpp"

namespace scoutfs::testing {

class ScriptedTarget {
 public:
  ScriptedTarget();
  ~ScriptedTarget();

  std::string uri() const;
  // Keys that are registered although nobody logged in with them.
  void add_key(std::uint64_t key);
  std::set<std::uint64_t> keys() const;
  // Service actions of PERSISTENT RESERVE OUT in order, and 100 for a reset of the unit.
  static constexpr int kReset = 100;
  std::vector<int> actions() const;
  // The next read is never answered, as if somebody had reset the unit; the command after it
  // meets the unit attention that says so.
  void swallow_next_read();
  // Likewise a write, but its data are asked for right before the unit attention.
  void swallow_next_write();
  // Bytes of data that came because they were asked for.
  std::uint64_t asked_bytes() const;
  // Whether nothing is answered, though the connection stays.
  void set_silent(bool silent);

 private:
  void serve();
  void serve_connection(int socket);
  struct Command;
  void answer_command(int socket, const Command& command);
  // Whether the command is left without an answer.
  bool swallow(const Command& command);
  // Answers with the unit attention.
  void tell_of_reset(int socket, const Command& command);

  node::UniqueFd listener_;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::set<std::uint64_t> keys_;
  std::uint64_t holder_ = 0;
  std::vector<int> actions_;
  bool swallows_read_ = false;
  bool swallows_write_ = false;
  bool was_reset_ = false;
  bool silent_ = false;
  std::string waiting_write_;  // its header
  std::uint64_t asked_bytes_ = 0;
  std::uint32_t status_number_ = 0;
  std::jthread thread_;
};

}  // namespace scoutfs::testing
