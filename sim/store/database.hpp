// Database: SQLite as this folder uses it: a connection, statements, and errors that say which
// file they are about.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace scoutfs::sim {

// One line for the operator: the file, and what is wrong with it.
class StoreError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Database;

// A prepared statement. Columns are counted from 0, parameters from 1.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, std::string_view text);
  Statement& bind_null(int parameter);
  Statement& bind_blob(int parameter, std::string_view bytes);

  // The next row. False: there is none, and the statement can be run again.
  bool step();
  // Runs a statement that has no rows.
  void run();

  std::int64_t integer(int column) const;
  std::uint64_t count(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  std::string text(int column) const;  // also of a blob; of NULL: empty

 private:
  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
};

class Database {
 public:
  // create: makes the file if there is none.
  enum class Mode : std::uint8_t { read, write, create };

  // Waits up to `busy_ms` for others that write. Errors: StoreError.
  Database(std::string path, Mode mode, int busy_ms = 60'000);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  void execute(const std::string& sql);
  std::int64_t pragma(const std::string& name);
  std::int64_t last_row() const;
  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void fail_as_sqlite_says() const;

 private:
  friend class Statement;
  std::string path_;
  sqlite3* handle_ = nullptr;
};

// All of it or nothing: rolled back unless commit() was called.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {
    database_.execute("BEGIN IMMEDIATE");
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace scoutfs::sim
